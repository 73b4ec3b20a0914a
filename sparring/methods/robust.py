"""Robust distillation: the teacher's answer to the clean image is what the student should show at the attacked one.

    ARD      (1 − α) CE(s(x), y) + α T² KL(p_T(t(x)) ‖ p_T(s(x′)))        (Goldblum et al. 2020; α = 1, T = 30)
    RSLAD    5/6 KL(p(t(x)) ‖ p(s(x′))) + 1/6 KL(p(t(x)) ‖ p(s(x)))          (Zi et al. 2021)

x′ is the attacked image (`pgd`), x the clean one. Both codes take KL as a mean over B · K elements, K times smaller;
ARD's attacks the student in train mode.
"""

from __future__ import annotations

import torch.nn.functional as F

from sparring.core import Batch, Losses, Output, Setting, term
from sparring.parts.divergences import Reduction, kd
from sparring.parts.part import Part
from sparring.parts.teachers import NO_CLEAN


class RobustKD(Part):
    """Distil at the perturbed and at the clean images: ce CE(s(x′)) + kd T² KL(t ‖ s(x′)), and clean_ce, clean_kd of
    the same at x.

    T: temperature; ce, kd, clean_ce, clean_kd: weights (one of 0 leaves its term out); reduction: as for kd. What the
    teacher is asked about is the targets' choice (targets.at=clean, as both papers have it).
    """

    needs = frozenset({"target"})

    def __init__(
        self,
        setting: Setting,
        *,
        T: float = 1.0,
        ce: float = 0.0,
        kd: float = 5 / 6,
        clean_ce: float = 0.0,
        clean_kd: float = 1 / 6,
        reduction: Reduction = "batchmean",
    ) -> None:
        super().__init__()
        if T <= 0 or min(ce, kd, clean_ce, clean_kd) < 0:
            raise ValueError(
                f"T is {T:g} and the weights {ce:g}, {kd:g}, {clean_ce:g}, {clean_kd:g}: give none below 0"
            )
        if not any((ce, kd, clean_ce, clean_kd)):
            raise ValueError("all weights are 0, so there is nothing to learn from: give objective.kd, for example")
        self.T = T
        self.reduction: Reduction = reduction
        self.weights = (("", ce, kd), ("clean ", clean_ce, clean_kd))
        self.asks_clean = bool(clean_ce or clean_kd)
        self.unmixed = NO_CLEAN if self.asks_clean else None

    def forward(self, output: Output, target: Output, batch: Batch) -> Losses:
        losses = Losses({})
        for (at, ce, kd_weight), answer in zip(self.weights, (output, output.clean), strict=True):
            if answer is None:
                continue
            if ce:
                losses += ce * term(f"{at}ce", F.cross_entropy(answer.logits, batch.labels))
            if kd_weight:
                losses += kd_weight * term(
                    f"{at}kd", kd(answer.logits, target.logits, self.T, reduction=self.reduction)
                )
        return losses
