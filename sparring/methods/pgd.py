"""Adversarial training: the student learns from images moved to where it is most wrong (Madry et al. 2018), or to where
it is furthest from its teacher (RSLAD: Zi et al. 2021; AdaAD: Huang et al. 2023).

    x′₀ = Π(x + U(−ε, ε)),    x′ₜ₊₁ = Π(x′ₜ + η sign ∇ CE(f(x′ₜ), y))        (eq. 5 of the adversarial-context paper)

The student is attacked in eval mode, by its running statistics, and then learns in train mode from the last iterate.
The paper prints neither ε nor η; both are here as is usual on CIFAR-10: 8/255 and 2/255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sparring.core import Batch, Moment, Setting
from sparring.core.mode import mode
from sparring.core.network import Precision, asking
from sparring.parts import divergences
from sparring.parts.attack import PART, Keep, Norm, Rows, Start, ball, fooling, pgd
from sparring.parts.part import Part, Perturb, Targets
from sparring.parts.quiet import audibly, quietly

STEPS = 7
ONE_LABEL = "perturb.loss=margin is that of the label's one class, and mixed images have several: take loss=ce"
APART: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # student's and teacher's logits (B, K) → (B,)
    "kl": partial(divergences.kd, T=1.0, reduction="none"),
    "disagreement": divergences.mse_disagreement,
}


class Pgd(Part):
    """Learn from images that were moved, within eps of themselves, to where a loss of the student is largest.

    eps: how far, in pixels of [0, 1] by `norm` (8/255 for colour by linf, else it must be given); size: of one step (η;
    a quarter of eps where it is not given); steps: how many. start: anywhere in the ball
    ("uniform"), x + 0.001 N(0, 1) ("gaussian") or at x. loss: "ce" or "margin" by the label; "kl", of the student's
    answer from the teacher's, or "disagreement", DA's mean squared difference of L1-normalised logits. teacher: for
    these two, its answer to the images as they came to this part, with targets.at=clean to the first
    of a chain ("clean", RSLAD), or to those on their way ("moving",
    AdaAD, DA). keep: the last iterate, or of each image the best. student: asked in "eval" mode, "quiet" (train mode,
    its running statistics stay) or "train" (they count the climb, as in ARD's code). precision: of the forwards on the
    way. warmup: epochs over which eps and size grow from nothing, without which a far attack (MNIST at 0.3) may keep a
    network from learning anything; not in the papers.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        eps: float | None = None,
        size: float | None = None,
        steps: int = STEPS,
        norm: Norm = "linf",
        start: Start = "uniform",
        loss: Literal["ce", "margin", "kl", "disagreement"] = "ce",
        teacher: Literal["clean", "moving"] = "clean",
        keep: Keep = "last",
        student: Literal["eval", "quiet", "train"] = "eval",
        precision: Precision = "auto",
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.ball = self.attacks_within = ball(eps, norm, setting.shape[0])
        self.size, self.steps = self.ball.step(self.ball.eps / PART if size is None else size), steps
        if steps < 1 or warmup < 0:
            raise ValueError(f"steps is {steps}, warmup {warmup:g}: give 1 or more steps, and no warmup below 0")
        if teacher == "moving" and loss not in APART:
            raise ValueError(f"teacher=moving has no effect with loss={loss}: leave it out, or take loss=kl")
        self.warmup, self.grown = warmup, 0.0 if warmup else 1.0
        self.start: Start = start
        self.keep: Keep = keep
        self.precision: Precision = precision
        self.loss, self.moving, self.student = loss, teacher == "moving", student
        self.needs = frozenset({"target"} if loss in ("kl", "disagreement") else ())
        self.asks_moving = self.moving and bool(self.needs)
        self.unmixed = ONE_LABEL if loss == "margin" else None
        self.waivers = frozenset({"quiet-perturbation"} if student == "train" else ())

    def about(self) -> Sequence[str]:
        """How far and how often images are moved."""
        if self.ball.eps == 0:
            return ["eps is 0, so no image moves: this is no adversarial training"]
        grown = f", growing over {self.warmup:g} epochs" if self.warmup else ""
        way = f"{self.steps} steps of {self.size:.4g}{grown}"
        return [f"images move by up to {self.ball.eps:.4g} ({self.ball.norm}), in {way}"]

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        device = batch.x.device.type
        loss = self.climbed(batch, student, targets, asking(device, self.precision))
        ball, size = replace(self.ball, eps=self.ball.eps * self.grown), self.size * self.grown
        with mode(student, training=self.student != "eval"), torch.autocast(device, enabled=False):
            return pgd(batch.x, loss, ball, size=size, steps=self.steps, start=self.start, keep=self.keep)

    def climbed(self, batch: Batch, student: nn.Module, targets: Targets, precisely: Callable[[], Any]) -> Rows:
        """The loss (B,) that is climbed, of the images on their way."""
        ask = audibly if self.student == "train" else quietly

        def logits(x: Tensor) -> Tensor:
            with precisely():
                return ask(student, x).logits

        def teacher(x: Tensor) -> Tensor:
            answer = targets(x, batch)
            assert answer is not None  # the bout checked that someone offers a target
            return answer.logits

        if self.loss == "ce" or self.loss == "margin":
            return fooling(logits, batch.labels, batch.y, self.loss)
        apart = APART[self.loss]
        if self.moving:

            def beside(x: Tensor) -> Tensor:
                with precisely():
                    told = teacher(x)
                return apart(logits(x), told)

            return beside
        with torch.no_grad():
            fixed = teacher(batch.x)  # in the run's precision, in which the objective asks and a cache keeps
        return lambda x: apart(logits(x), fixed)

    def after_step(self, moment: Moment) -> None:
        """Let the attack grow while it warms up."""
        if self.warmup:
            self.grown = min(1.0, moment.step / (self.warmup * moment.clock.steps_per_epoch))

    def remark(self) -> str | None:
        if self.grown == 1:
            return None
        return (
            f"warmup is {self.warmup:g} epochs, and the attack had grown to {self.grown:.0%} of eps when training ended"
        )

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.grown, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        self.grown = float(state)


def fgsm(
    setting: Setting, *, eps: float | None = None, loss: Literal["ce", "margin"] = "ce", norm: Norm = "linf"
) -> Perturb:
    """Learn from images moved by one step of length eps from themselves, to where the student is more wrong (FGSM).

    eps, loss, norm: as for pgd.
    """
    eps = ball(eps, norm, setting.shape[0]).eps
    return Pgd(setting, eps=eps, size=eps, steps=1, start="none", loss=loss, norm=norm)
