"""AutoAttack: how many images withstand every one of several attacks that have nothing to tune (Croce and Hein 2020).

The attacks are the authors' own classes, from the package pyautoattack. Ours is the cascade around them: each attack is
given the images that are still right, in chunks; what a chunk becomes follows from its images and a seed of its own, so
that a cascade which was stopped goes on from its last chunk. An image counts as broken where the network is wrong on
what the attack returns, inside the ball and the pixel box. The share that is left is one of all images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.core.network import computing
from sparring.core.seeds import chance_restored, seed_for
from sparring.evaluate.answers import resting
from sparring.parts.attack import Ball

Version = Literal["standard", "plus", "rand", "few"]
Pick = Callable[[np.ndarray], Batch]
"""Positions of images (B,) → these images, on the network's device."""

VERSIONS: dict[Version, tuple[str, ...]] = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
    "few": ("apgd-ce", "fab-t", "square"),  # ours, for two or three classes: standard without a loss that needs four
}
CLEAN, SQUARE = "clean", "square"
SURVIVES = ""
NORMS = {"linf": "Linf", "l2": "L2"}
TARGETS = 9  # of the targeted attacks, or as many as there are wrong classes
RESTARTS, EOT = 5, 20  # of plus's untargeted attacks; gradients averaged a step by rand
SLACK = 1e-6  # of a distance, for rounding
PACKAGE, INSTALL = "pyautoattack", 'pip install "sparring[attack]"'

_quiet = logging.getLogger("sparring.autoattack")  # the classes' own warnings: `sound` told them, as errors
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


@dataclass(frozen=True, slots=True)
class Trial:
    """What a cascade is asked: how far images may move, by which ensemble, in chunks of how many images.

    steps: of APGD and FAB; queries: of Square. Both are AutoAttack's only as they stand here.
    """

    ball: Ball
    version: Version = "standard"
    seed: int = 0
    batch_size: int = 250
    steps: int = 100
    queries: int = 5000


@dataclass(frozen=True, slots=True)
class Standing:
    """How the images stand: `broken_by` (N,) names the attack that broke each, "clean" where it was wrong to begin
    with, "" where it survives. done: how many chunks of each attack are over; farthest: the largest distance of an
    image that it broke."""

    broken_by: np.ndarray
    done: Mapping[str, int] = field(default_factory=dict)
    farthest: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def fresh(cls, images: int) -> Standing:
        """Before anything was tried."""
        return cls(np.full(images, SURVIVES, dtype="<U8"))

    def after(self, attack: str, chunk: int, broken: np.ndarray, distance: float) -> Standing:
        """Once a chunk is over, in which the images at positions `broken` (M,) fell, the furthest at `distance`."""
        broken_by = self.broken_by.copy()
        broken_by[broken] = attack
        farthest = max(distance, self.farthest.get(attack, 0.0))
        return Standing(broken_by, {**self.done, attack: chunk + 1}, {**self.farthest, attack: farthest})

    def right(self, version: Version) -> dict[str, float]:
        """The share of all images that stand after each part of the ensemble: {"clean": …, "apgd-ce": …, …}."""
        standing, shares = len(self.broken_by), {}
        for attack in (CLEAN, *VERSIONS[version]):
            standing -= int((self.broken_by == attack).sum())
            shares[attack] = standing / len(self.broken_by)
        return shares


@dataclass(frozen=True, slots=True)
class Progress:
    """A chunk is over: which (from 0) of how many of which attack, how long it took, and how the images stand."""

    attack: str
    chunk: int
    chunks: int
    seconds: float
    standing: Standing


def cascade(net: Network, pick: Pick, trial: Trial, standing: Standing) -> Iterator[Progress]:
    """Attack the images that `pick` gives, from how they stand until every attack is over, a chunk at a time.

    A standing that came from here goes on to the same end, whenever it was left. Raises UserError without the package
    and RuntimeError where an attack leaves the ball.
    """
    library()
    for attack in (CLEAN, *VERSIONS[trial.version]):
        # Those that it broke were among those it began with.
        began = np.flatnonzero((standing.broken_by == SURVIVES) | (standing.broken_by == attack))
        starts = range(0, len(began), trial.batch_size)
        for chunk in range(standing.done.get(attack, 0), len(starts)):
            since = perf_counter()
            positions = began[starts[chunk] : starts[chunk] + trial.batch_size]
            fallen, distance = struck(net, pick(positions), attack, trial, chunk_seed(trial.seed, attack, chunk))
            standing = standing.after(attack, chunk, positions[fallen], distance)
            yield Progress(attack, chunk, len(starts), perf_counter() - since, standing)


def chunk_seed(seed: int, attack: str, chunk: int) -> int:
    """The seed of all chance in a chunk."""
    return seed_for(seed, "autoattack", attack, chunk)


@chance_restored()
def struck(net: Network, batch: Batch, attack: str, trial: Trial, seed: int) -> tuple[np.ndarray, float]:
    """Which images of a batch an attack breaks (B,) bool, and how far the furthest of them went."""
    with attackable(net):
        moved = batch.x if attack == CLEAN else moves(net, batch, attack, trial, seed)
        with torch.no_grad():
            answer = net(moved).logits
        wrong = (answer.argmax(1) != batch.y) | ~answer.isfinite().all(1)  # of NaN, argmax makes class 0
        far = distances(moved, batch.x, trial.ball)
    if not bool((far <= trial.ball.eps + SLACK * max(1.0, trial.ball.eps)).all()):
        raise RuntimeError(f"{attack} moved an image by {far.max():g}, out of the ball of {trial.ball.eps:g}")
    if not bool(((moved >= 0) & (moved <= 1)).all()):
        raise RuntimeError(f"{attack} left the pixel box: {moved.min():g} to {moved.max():g}")
    return wrong.cpu().numpy(), float(far[wrong].max()) if bool(wrong.any()) else 0.0


@contextmanager
def attackable(net: Network) -> Iterator[None]:
    """`net` in eval mode and float32, with gradients for its pixels alone while the block lasts."""
    frozen = [parameter for parameter in net.parameters() if parameter.requires_grad]
    with resting(net), computing(net.mean.device.type, bf16=False):
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)


def distances(moved: Tensor, x: Tensor, ball: Ball) -> Tensor:
    """How far each image went (B,), in float64."""
    away = (moved.double() - x.double()).flatten(1)
    return away.abs().amax(1) if ball.norm == "linf" else away.norm(dim=1)


def moves(net: Network, batch: Batch, attack: str, trial: Trial, seed: int) -> Tensor:
    """What an attack returns of a batch's images: those that it broke, moved; the others, as they were."""
    ask = partial(logits, net)
    with torch.no_grad():
        classes = ask(batch.x[:1]).shape[1]
    common: dict[str, Any] = {"eps": trial.ball.eps, "norm": NORMS[trial.ball.norm], "seed": seed}
    common["device"] = batch.x.device
    if attack == SQUARE:
        made = library().SquareAttack(ask, p_init=0.8, n_queries=trial.queries, resc_schedule=False, **common)
        return made.perturb(batch.x, batch.y)
    targets = min(TARGETS, classes - 1)
    common["n_iter"] = trial.steps
    if attack.startswith("fab"):
        common |= {"targeted": attack == "fab-t", "n_target_classes": targets}
        made = library().FABAttack_PT(ask, n_restarts=1 if attack == "fab-t" else RESTARTS, **common)
    elif attack == "apgd-t":
        made = library().APGDAttack_targeted(ask, n_target_classes=targets, logger=_quiet, **common)
    else:
        common |= {"n_restarts": RESTARTS if trial.version == "plus" else 1, "loss": attack.removeprefix("apgd-")}
        common["eot_iter"] = EOT if trial.version == "rand" else 1
        made = library().APGDAttack(ask, logger=_quiet, **common)
    return made.perturb(batch.x, batch.y).detach()


def logits(net: Network, x: Tensor) -> Tensor:
    """A network's answer, as the attacks want it."""
    return net(x).logits


def remarks(standing: Standing, version: Version) -> list[str]:
    """What the outcome itself says against it."""
    fell = int((standing.broken_by == SQUARE).sum())
    if version not in ("standard", "few") or not fell:
        return []
    return [
        f"gradient masking? Square, which sees no gradients, broke {fell} image{'s' if fell > 1 else ''} that APGD and "
        "FAB had left standing: the true robust accuracy may be lower, so attack this network in its own way too"
    ]


def library() -> Any:
    """The module that has the attack classes. Raises UserError where it is not installed."""
    try:
        return import_module(f"{PACKAGE}.autoattack")
    except ImportError as error:
        raise UserError(f"AutoAttack needs {PACKAGE}, which cannot be imported ({error}): {INSTALL}") from error
