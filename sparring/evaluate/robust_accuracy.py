"""AutoAttack on any network and any images, in one call."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sparring.core import Batch, Network, UserError
from sparring.errors import did_you_mean, first_line
from sparring.evaluate.autoattack import VERSIONS, Standing, Trial, Version, cascade, library
from sparring.evaluate.sound import require_sound
from sparring.keys import number
from sparring.parts.attack import ball


def robust_accuracy(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | str | None = None,
    norm: Literal["linf", "l2"] = "linf",
    version: Version = "standard",
    seed: int = 0,
    batch_size: int = 250,
) -> tuple[dict[str, float], np.ndarray]:
    """The share of images on which a network is right, and right still after each attack of AutoAttack's ensemble.

    net: takes pixels in [0, 1] (a `Network`, or a module that normalises them itself), and lies where `x` does; x: (N,
    C, H, W); y: (N,) class numbers; eps: how far an image may move, in pixels of [0, 1], by `norm`, as "8/255" too
    (which colour has by default in linf; else it must be given). Returns the shares by attack, {"clean": …, "apgd-ce":
    …, …}, of all images, and what broke each (N,): an attack's name, "clean" where it was wrong to begin with, "" where
    it survives. Raises UserError for a network that AutoAttack would flatter, and without the extra `attack`. For a
    run, which keeps what it finds, see `sparring.verbs.evaluate`.
    """
    library()
    if not isinstance(net, nn.Module):
        raise UserError(f"a network must be a torch.nn.Module, but {type(net).__name__} was given")
    x, y = labelled(x, y)
    for name, given, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
        if isinstance(given, bool) or not isinstance(given, Integral) or not least <= given < 2**63:
            raise UserError(f"{name} is {given!r:.40}: give a whole number, {least} or more")
    if not isinstance(version, str) or version not in VERSIONS:
        raise UserError(f"version {version!r} does not exist. {did_you_mean(str(version), VERSIONS)}")
    try:
        within = ball(radius(eps), norm if isinstance(norm, str) else repr(norm), x.shape[1])
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


def labelled(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) in [0, 1] and their class numbers (N,). Raises UserError where they are something else."""
    try:
        x, y = torch.as_tensor(x), torch.as_tensor(y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"x and y cannot be made tensors ({first_line(error)}): give images and class numbers"
        ) from error
    if x.ndim != 4 or y.ndim != 1 or len(x) != len(y) or not len(y):
        raise UserError(f"x is {tuple(x.shape)} and y {tuple(y.shape)}: give images (N, C, H, W) and N class numbers")
    if not x.is_floating_point():
        raise UserError(f"x is of {x.dtype}: give pixels in [0, 1], as x / 255 makes them of bytes")
    if y.dtype == torch.bool or y.is_floating_point() or y.is_complex():
        raise UserError(f"y is of {y.dtype}: give class numbers, as whole numbers from 0")
    if not x.numel():
        raise UserError(f"x is {tuple(x.shape)}: give images that have pixels")
    if not bool(torch.isfinite(x).all()):
        raise UserError("x holds pixels that are NaN or infinite: give pixels in [0, 1]")
    if float(x.min()) < 0 or float(x.max()) > 1:
        raise UserError(f"x lies in [{x.min():g}, {x.max():g}]: give pixels in [0, 1], and let the network normalise")
    return x, y


def radius(eps: float | str | None) -> float | None:
    """A radius as it is given, 0.1 or "8/255" or none. Raises UserError for what is no number."""
    found = number(eps) if isinstance(eps, str) else eps
    if eps is None:
        return None
    if isinstance(found, bool) or not isinstance(found, Real) or abs(found) >= 2**63:
        raise UserError(f"eps is {eps!r:.40}: give a number such as 0.1 or 8/255")
    return float(found)
