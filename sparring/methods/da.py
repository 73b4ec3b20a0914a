"""Disagreement Augmentation (Goldfeder, Wong, Pace & Lipson): learn where student and teacher disagree.

With probability p, move the whole batch e steps up the disagreement before distilling at the moved inputs x̃:

    d(x) = (1/BK) Σ (N(S(x)) − N(T(x)))²,     δ ← δ + Adam step of size α up ∇d(x + σδ),     x̃ = x + σδ.

N divides a row of logits by its L1 norm; the climb is made on the displacement δ because α is published in units of
standardised inputs (σ: the training pixels' standard deviation). Defaults reproduce Table I.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from sparring.core import Batch, Setting
from sparring.core.mode import mode
from sparring.core.network import Precision, asking
from sparring.core.processes import world
from sparring.parts import divergences
from sparring.parts.ascend import STEPS, ascend
from sparring.parts.coin import Coin
from sparring.parts.divergences import Normaliser
from sparring.parts.part import Part, Targets
from sparring.parts.quiet import audibly, quietly

FOLLOW: dict[str, tuple[str, str, str]] = {  # (measure, normalise, student)
    "paper": ("mse", "l1", "train"),  # the code that produced Table I
    "release": ("kl", "raw", "quiet"),  # the public code since 2025
}


def disagreement(s: Tensor, t: Tensor, measure: str, normalise: str) -> Tensor:
    """How far student and teacher are apart on a batch (): mean over B·K ("mse"), or KL(t ‖ s) at T = 1 ("kl")."""
    if measure == "mse":
        return divergences.mse_disagreement(s, t, normalise).mean()
    return divergences.kd(divergences.normalised(normalise, s), divergences.normalised(normalise, t), T=1.0)


class DisagreementAugmentation(Part):
    """Move the inputs, with probability p, towards where student and teacher disagree.

    p: chance that a batch (coin="batch") or each example (coin="example") is moved. alpha: size of a step, in
    standardised units; steps: e, how many; step: their rule.
    follow: which published version fills in measure, normalise and student where they are not given.
    student: how it is asked in the climb: "train" (the live one, whose BatchNorm running statistics count the climb),
    "quiet" (in train mode too, by batch statistics, but the running ones stay) or "eval".
    clamp: "box" keeps pixels in [0, 1]. Not in the paper, to save time: share, the part of a chosen batch that is moved
    (its first rows; in train mode BatchNorm sees them alone), and precision, of the climb's forward and backward
    ("auto": as the run's and the teacher's own; the loss climbed is always float32).
    """

    needs = frozenset({"target"})
    asks_moving = True
    sigma: Tensor
    moved: Tensor

    def __init__(
        self,
        setting: Setting,
        *,
        p: float = 0.7374,
        alpha: float = 0.01778,
        steps: int = 1,
        follow: Literal["paper", "release"] = "paper",
        measure: Literal["mse", "kl"] | None = None,
        normalise: Normaliser | None = None,
        student: Literal["train", "quiet", "eval"] | None = None,
        step: Literal["adam", "plain", "sign"] = "adam",
        coin: Literal["batch", "example"] = "batch",
        share: float = 1.0,
        clamp: Literal["none", "box"] = "none",
        precision: Precision = "auto",
    ) -> None:
        super().__init__()
        if steps < 0 or alpha <= 0:
            raise ValueError(f"steps is {steps}, alpha is {alpha:g}: give 0 steps or more, of a size above 0")
        if not 0 < share <= 1:
            raise ValueError(f"share is {share:g}: give the part of a batch to move, above 0 and at most 1")
        if (coin == "example" or share < 1) and world() > 1:
            raise ValueError("coin=example and share move other rows in each process: leave them for one process")
        as_published = FOLLOW[follow]
        self.measure, self.normalise = measure or as_published[0], normalise or as_published[1]
        self.student, self.rule, self.by_example = student or as_published[2], STEPS[step], coin == "example"
        self.alpha, self.steps, self.share = alpha, steps, share
        self.precision: Precision = precision
        self.box = clamp == "box"
        self.coin = Coin(p)
        self.register_buffer("sigma", torch.tensor(setting.std).view(-1, 1, 1), persistent=False)
        self.register_buffer("moved", torch.zeros(()))
        self.waivers = frozenset({"quiet-perturbation"} if self.student == "train" else ())

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        rows = self.rows(len(batch))
        x = batch.x[rows]
        if not len(x):
            return batch.x
        moved = self.climb(Batch(x, batch.y[rows], batch.index[rows]), student, targets, whole=len(batch))
        self.moved = (moved - x).abs().div(self.sigma).mean() / self.alpha
        if len(x) == len(batch):
            return moved
        mixed = batch.x.clone()
        mixed[rows] = moved
        return mixed

    def rows(self, count: int) -> Tensor | slice:
        """Which rows of a batch of `count` move this time."""
        if self.by_example:
            return self.coin.toss_each(count).to(self.sigma.device, non_blocking=True)
        return slice(round(self.share * count) if self.coin.toss() else 0)

    def climb(self, batch: Batch, student: nn.Module, targets: Targets, whole: int) -> Tensor:
        """The inputs of `batch`, some or all of the `whole` rows of the step, moved e steps up the disagreement."""
        ask = audibly if self.student == "train" else quietly
        # d is a mean over the whole batch, that of all processes together: Adam's eps makes its scale matter
        rows_here = len(batch) / (whole * world())
        device = batch.x.device.type
        precisely = asking(device, self.precision)

        def objective(delta: Tensor) -> Tensor:
            x = batch.x + self.sigma * delta
            with precisely():
                s, t = ask(student, x), targets(x, batch)
            assert t is not None  # the bout checked that someone offers a target
            return disagreement(s.logits, t.logits, self.measure, self.normalise) * rows_here

        with mode(student, training=self.student != "eval"), torch.autocast(device, enabled=False):
            delta = ascend(torch.zeros_like(batch.x), objective, self.rule(self.alpha), self.steps)
        x = batch.x + self.sigma * delta
        return x.clamp(0, 1) if self.box else x

    def gauges(self) -> Mapping[str, Tensor]:
        """How far the last moved pixels went, as a part of α: 1 is a pure sign step, less means Adam's eps bites."""
        return {"moved": self.moved}
