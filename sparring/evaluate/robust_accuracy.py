"""AutoAttack on any network and any images, in one call."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sparring.core import Batch, Network, UserError
from sparring.errors import did_you_mean
from sparring.evaluate.autoattack import VERSIONS, Standing, Trial, Version, cascade, library
from sparring.evaluate.sound import require_sound
from sparring.parts.attack import ball


def robust_accuracy(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | None = None,
    norm: Literal["linf", "l2"] = "linf",
    version: Version = "standard",
    seed: int = 0,
    batch_size: int = 250,
) -> tuple[dict[str, float], np.ndarray]:
    """The share of images on which a network is right, and right still after each attack of AutoAttack's ensemble.

    net: takes pixels in [0, 1] (a `Network`, or a module that normalises them itself), and lies where `x` does; x: (N,
    C, H, W); y: (N,) class numbers; eps: how far an image may move, in pixels of [0, 1], by `norm` (8/255 for colour in
    linf; else it must be given). Returns the shares
    by attack, {"clean": …, "apgd-ce": …, …}, of all images, and what broke each (N,): an attack's name, "clean" where
    it was wrong to begin with, "" where it survives. Raises UserError for a network that AutoAttack would flatter, and
    without the extra `attack`. For a run, which keeps what it finds, see `sparring.verbs.evaluate`.
    """
    library()
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    if x.ndim != 4 or y.ndim != 1 or len(x) != len(y) or not len(y):
        raise UserError(f"x is {tuple(x.shape)} and y {tuple(y.shape)}: give images (N, C, H, W) and N class numbers")
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}: give 1 or more")
    if not bool(torch.isfinite(x).all()):
        raise UserError("x holds pixels that are NaN or infinite: give pixels in [0, 1]")
    if float(x.min()) < 0 or float(x.max()) > 1:
        raise UserError(f"x lies in [{x.min():g}, {x.max():g}]: give pixels in [0, 1], and let the network normalise")
    if version not in VERSIONS:
        raise UserError(f"version {version!r} does not exist. {did_you_mean(version, VERSIONS)}")
    try:
        within = ball(eps, norm, x.shape[1])
    except ValueError as error:
        raise UserError(f"{error}") from error
    asked = net if isinstance(net, Network) else Network(net).to(x.device)
    trial = Trial(within, version, seed=seed, batch_size=batch_size)

    def pick(rows: np.ndarray) -> Batch:
        at = torch.from_numpy(rows).to(x.device)
        return Batch(x[at].float(), y[at].long(), at)

    require_sound(asked, pick(np.arange(min(batch_size, len(y)))), trial, y)
    standing = Standing.fresh(len(y))
    for step in cascade(asked, pick, trial, standing):
        standing = step.standing
    return standing.right(version), standing.broken_by
