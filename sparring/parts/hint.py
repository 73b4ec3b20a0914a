"""Hints: losses on inner features, and the objective that adds one to cross-entropy and distillation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Batch, Losses, Network, Output, Setting, UserError, term
from sparring.parts import divergences
from sparring.parts.part import Part


class Hint(nn.Module, ABC):
    """A loss per image on features of student and teacher; what it learns (adapters) trains with the student.

    student_taps, target_taps: the features it reads; weight: its own paper's, beside CE and KD of weight 1.
    """

    student_taps: Sequence[str] = ()
    target_taps: Sequence[str] = ()
    weight: float = 1.0

    @abstractmethod
    def forward(self, output: Output, target: Output) -> Tensor:
        """(B,) float32."""

    def dress(self, student: nn.Module) -> nn.Module:
        """The student to be trained, where it is not the one that was given."""
        return student

    def about(self) -> Sequence[str]:
        """What was matched with what, a line each."""
        return ()


def both(setting: Setting) -> tuple[Network, Network]:
    """The student and the teacher whose features are read. Raises UserError where there is no teacher."""
    if setting.teacher is None or setting.student is None:
        raise UserError(
            "this objective reads the inner features of a teacher, and none is asked: pass --teacher, and leave the "
            "targets to ask it (targets=teacher)"
        )
    return setting.student, setting.teacher


class NoHint(Hint):
    """No loss on features."""

    weight = 0.0

    def __init__(self, setting: Setting) -> None:
        super().__init__()

    def forward(self, output: Output, target: Output) -> Tensor:
        return output.logits.new_zeros(len(output.logits))


class HintObjective(Part):
    """ce · CE + kd · T² KL + weight · mean of a hint, as the toolboxes add a feature loss to distillation."""

    needs = frozenset({"target", "features"})

    def __init__(self, hint: Hint, *, weight: float, ce: float, kd: float, T: float) -> None:
        super().__init__()
        if T <= 0 or weight <= 0 or min(ce, kd) < 0:
            raise ValueError(
                f"T is {T:g}, weight {weight:g}, ce {ce:g}, kd {kd:g}: give T and weight above 0, none below"
            )
        self.hint, self.weight, self.ce, self.kd, self.T = hint, weight, ce, kd, T
        self.student_taps, self.target_taps = hint.student_taps, hint.target_taps

    def forward(self, output: Output, target: Output, batch: Batch) -> Losses:
        losses = self.weight * term("hint", self.hint(output, target).mean())
        if self.ce:
            losses += self.ce * term("ce", F.cross_entropy(output.logits, batch.labels))
        if self.kd:
            losses += self.kd * term("kd", divergences.kd(output.logits, target.logits, self.T))
        return losses

    @property
    def companion(self) -> nn.Module | None:
        return self.hint if any(True for _ in self.hint.parameters()) else None

    def dress(self, student: nn.Module) -> nn.Module:
        return self.hint.dress(student)

    def about(self) -> Sequence[str]:
        return self.hint.about()


def pooled_alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two feature maps (B, C, H, W) in float32, averaged to the smaller of the two heights and of the two widths."""
    small = a.new_empty(min(a.shape[-2], b.shape[-2]), min(a.shape[-1], b.shape[-1]))
    return averaged(a, small), averaged(b, small)


def averaged(f: Tensor, like: Tensor) -> Tensor:
    """A feature map (B, C, H, W) in float32, averaged to the size of another; of the same size, itself."""
    size = (like.shape[-2], like.shape[-1])
    return f.float() if f.shape[-2:] == size else F.adaptive_avg_pool2d(f.float(), size)


def squares(a: Tensor, b: Tensor) -> Tensor:
    """The mean over all elements of the squared difference, for each image (B,)."""
    return (a - b).square().flatten(1).mean(1)
