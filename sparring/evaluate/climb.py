"""PGD and FGSM against a network that is finished: what stays right where images are moved up a loss."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from sparring.core import Batch, Network
from sparring.evaluate.autoattack import logits
from sparring.parts.attack import PART, Ball, Keep, Rows, Start, fooling, pgd
from sparring.parts.divergences import kd

Loss = Literal["ce", "margin", "kl"]


@dataclass(frozen=True, slots=True)
class Climb:
    """An attack by gradients within a ball: `steps` steps of length `size` (None: a quarter of the radius) up a loss.

    loss: by the label "ce" or "margin", or "kl" from a teacher's answer to the clean image. start, keep: as in `pgd`.
    """

    ball: Ball
    _: KW_ONLY
    steps: int = 20
    size: float | None = None
    start: Start = "uniform"
    loss: Loss = "ce"
    keep: Keep = "last"

    @property
    def reach(self) -> float:
        """How long a step is."""
        return self.ball.eps / PART if self.size is None else self.size


def fgsm(ball: Ball, *, loss: Loss = "ce") -> Climb:
    """One step to the ball's rim."""
    return Climb(ball, steps=1, size=ball.eps, start="none", loss=loss)


def moved(net: Network, batch: Batch, climb: Climb, teacher: Network | None = None) -> Tensor:
    """What an attack on `net` makes of a batch's images (B, C, H, W). teacher: whose answer "kl" goes away from."""
    loss = climbed(net, batch, climb.loss, teacher)
    return pgd(batch.x, loss, climb.ball, size=climb.reach, steps=climb.steps, start=climb.start, keep=climb.keep)


def climbed(net: Network, batch: Batch, kind: Loss, teacher: Network | None) -> Rows:
    """The loss of each image that an attack climbs."""
    if kind != "kl":
        return fooling(partial(logits, net), batch.y, batch.y, kind)
    assert teacher is not None
    with torch.no_grad():
        told = logits(teacher, batch.x)
    return lambda x: kd(logits(net, x), told, 1.0, reduction="none")


def withstands(net: Network, batch: Batch, *, climb: Climb, teacher: Network | None = None) -> Tensor:
    """On which of a batch's images (B,) bool `net` is right after an attack on it."""
    return holds(net, batch, moved(net, batch, climb, teacher))


def holds(net: Network, batch: Batch, x: Tensor) -> Tensor:
    """Where the network is right at `x` (B,)."""
    with torch.no_grad():
        answer = logits(net, x)
    return (answer.argmax(1) == batch.y) & answer.isfinite().all(1)  # of NaN, argmax makes class 0
