"""Whether a network hides its gradients rather than withstands attacks, by the tests of Athalye et al. (2018) and
Carlini et al. (2019): what should weaken it must, and what sees less must not do better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sparring.core import Batch, Network
from sparring.core.seeds import chance_restored, seed_for
from sparring.evaluate.autoattack import SQUARE, SURVIVES, Pick, attackable
from sparring.evaluate.climb import Climb, holds, moved
from sparring.parts.attack import Ball

Probe = Callable[[Batch], Tensor]
"""A batch → on which of its images the network is right still (B,) bool."""

STEPS = (20, 50, 100)
DRAWS = 20  # of noise: as many looks at the network as PGD-20 has
CHUNK = 250
HELPLESS = 0.05  # accuracy once any image may become any other
PIXELS = (0.5, 1.0)  # how far every pixel moves then


@dataclass(frozen=True, slots=True)
class Check:
    """One test for masked gradients: its name, whether the network passed it, and what was seen."""

    name: str
    passed: bool
    says: str


def right_after(net: Network, pick: Pick, images: int, name: str, probe: Probe) -> np.ndarray:
    """On which of the images (N,) bool a network is right after a probe; chance follows from the probe's name."""
    found = []
    for chunk, start in enumerate(range(0, images, CHUNK)):
        batch = pick(np.arange(start, min(start + CHUNK, images)))
        with chance_restored(), attackable(net):
            torch.manual_seed(seed_for(name, chunk))
            found.append(probe(batch).cpu().numpy())
    return np.concatenate(found)


def clean(net: Network, batch: Batch) -> Tensor:
    """A probe: images as they are."""
    return holds(net, batch, batch.x)


def shaken(net: Network, batch: Batch, *, ball: Ball) -> Tensor:
    """A probe: the worst of several draws of noise, uniform in the ball."""
    stands = torch.ones_like(batch.y, dtype=torch.bool)
    for _ in range(DRAWS):
        stands &= holds(net, batch, ball.start(batch.x, "uniform"))
    return stands


def transferred(net: Network, batch: Batch, *, ball: Ball, steps: int, source: Network) -> Tensor:
    """A probe: images that PGD made against another network."""
    with attackable(source):
        images = moved(source, batch, Climb(ball, steps=steps))
    return holds(net, batch, images)


def radii(ball: Ball, pixels: int) -> tuple[list[float], list[float]]:
    """The radii of the curve, from 0 up; and those within which any image of so many values becomes (nearly) any."""
    wide = [reach * (1.0 if ball.norm == "linf" else pixels**0.5) for reach in PIXELS]
    near = [ball.eps * times for times in (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0)]
    return [eps for eps in near if eps < wide[0]], wide


def checks(right: Mapping[str, np.ndarray], curve: Sequence[tuple[float, str]], broken_by: np.ndarray) -> list[Check]:
    """The verdicts. right: flags (N,) by probe; curve: (radius, probe) from 0 up; broken_by: AutoAttack's (N,)."""
    found = [
        growing("more steps", [(f"{steps} steps", right[f"pgd-{steps}"]) for steps in STEPS]),
        growing("larger radius", [(f"{eps:.3g}", right[name]) for eps, name in curve]),
    ]
    eps, name = curve[-1]
    left = right[name].mean()
    says = f"within a radius of {eps:.3g}, where any image may become any other, accuracy is {left:.1%}"
    found.append(Check("no radius too large", bool(left <= HELPLESS), says))
    seen = (broken_by != SURVIVES) & (broken_by != SQUARE) | ~right[f"pgd-{STEPS[-1]}"]
    found.append(blind("Square", broken_by == SQUARE, seen))
    if "transfer" in right:
        found.append(blind("transfer from the teacher", ~right["transfer"], seen))
    found.append(growing("noise", [("noise", right["noise"]), ("PGD-20", right["pgd-20"])], "is weaker than noise"))
    return found


def growing(name: str, attacks: Sequence[tuple[str, np.ndarray]], wrong: str = "helps the network") -> Check:
    """Attacks from weak to strong, each with its flags (N,): a stronger one must not leave more images right, beyond
    chance (two standard deviations of the images on which two attacks differ)."""
    told = ", ".join(f"{right.mean():.1%} ({label})" for label, right in attacks)
    for (_, weak), (label, strong) in pairwise(attacks):
        more, fewer = int((strong & ~weak).sum()), int((weak & ~strong).sum())
        if more - fewer > 2 * (more + fewer) ** 0.5:
            return Check(name, False, f"{label} {wrong}: accuracies {told}")
    return Check(name, True, f"accuracies {told}")


def blind(name: str, broken: np.ndarray, seen: np.ndarray) -> Check:
    """An attack that sees no gradients must break no image that those which see them left standing."""
    alone = int((broken & ~seen).sum())
    if not alone:
        return Check(name, True, "broke no image that attacks with gradients had left standing")
    return Check(name, False, f"broke {alone} of the {int((~seen).sum())} images that attacks with gradients had left")
