"""Attention transfer (Zagoruyko & Komodakis 2017): the student should look where the teacher looks.

    Q(f) = mean over channels of f², as a row of unit length,     L = CE + T² KL + 1000 · Σ_stages mean (Q_s − Q_t)²

In the form of the toolboxes, whose numbers are quoted: a mean square where the paper has a norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from sparring.core import Output, Setting
from sparring.parts import taps
from sparring.parts.hint import Hint, HintObjective, both, pooled_alike, squares
from sparring.parts.part import Objective


def attention_map(f: Tensor) -> Tensor:
    """Q(f): where the energy of a feature map (B, C, H, W) lies, (B, H·W), each row of length 1."""
    return F.normalize(f.square().mean(1).flatten(1), eps=1e-12)


class Attention(Hint):
    """The hint at the end of each stage; of networks with more and fewer stages the first ones are paired."""

    weight = 1000.0

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        student, teacher = both(setting)
        pairs = zip(taps.stages(student, setting.shape), taps.stages(teacher, setting.shape), strict=False)
        self.student_taps, self.target_taps = zip(*pairs, strict=True)
        self.told = [
            f"student {taps.place(student, own)} ~ teacher {taps.place(teacher, theirs)}"
            for own, theirs in zip(self.student_taps, self.target_taps, strict=True)
        ]

    def forward(self, output: Output, target: Output) -> Tensor:
        losses = []
        for own, theirs in zip(self.student_taps, self.target_taps, strict=True):
            seen, wanted = pooled_alike(output.features[own], target.features[theirs])
            losses.append(squares(attention_map(seen), attention_map(wanted)))
        return sum(losses[1:], start=losses[0])

    def about(self) -> Sequence[str]:
        return self.told


def attention(
    setting: Setting, *, weight: float = Attention.weight, ce: float = 1.0, kd: float = 1.0, T: float = 4.0
) -> Objective:
    """Attention transfer: the student's feature maps should have their energy where the teacher's have it.

    weight: of the hint, beside ce · CE and kd · T² KL (kd=0 as RepDistiller).
    """
    return HintObjective(Attention(setting), weight=weight, ce=ce, kd=kd, T=T)
