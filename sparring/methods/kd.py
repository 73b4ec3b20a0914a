"""Knowledge distillation (Hinton, Vinyals & Dean 2015) in the parametrisations that papers use.

    L = w_ce · CE(s, y) + w_kd · T² · KL(p_T(t) ‖ p_T(s))

They are not interchangeable: T, the weights, T² and the reduction differ. `objective=kd` is the function; each
row below is one paper's or toolbox's choice of its options.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from sparring.core import Batch, Losses, Output, Setting, UserError, term
from sparring.parts import divergences
from sparring.parts.divergences import Reduction
from sparring.parts.part import Objective, Plain, Targets
from sparring.parts.teachers import At, Teacher


def teacher(setting: Setting, *, at: At = "perturbed") -> Targets:
    """Ask for what the frozen teacher answers at the inputs that the student sees.

    at: "clean" asks it about the images as they came, whatever a perturbation made of them.
    """
    if setting.teacher is None:
        raise UserError("this method learns from a teacher, and none was given: pass --teacher (a run, a name, a file)")
    return Teacher(setting.teacher, at)


def kd(
    setting: Setting,
    *,
    T: float = 4.0,
    ce: float = 0.1,
    kd: float = 0.9,
    reduction: Reduction = "batchmean",
    t2: bool = True,
    standardise: bool = False,
) -> Objective:
    """Cross-entropy to the label plus Hinton's term towards the teacher's softened answer.

    T: temperature; ce, kd: the two weights (a weight of 0 leaves its term out); reduction: "batchmean", "elementwise"
    (K times smaller) or "cross-entropy" (same gradient, other value); t2: multiply by T²; standardise: z-score both
    logits first (Sun et al. 2024).
    """

    if T <= 0:
        raise ValueError(f"T is {T:g}: give a temperature above 0")
    if not ce and not kd:
        raise ValueError("both weights are 0, so there is nothing to learn from: give objective.ce or objective.kd")
    if standardise and setting.classes == 2:
        raise ValueError("of two logits standardising leaves nothing but which is larger: leave standardise out")

    def objective(output: Output, target: Output, batch: Batch) -> Losses:
        s, t = output.logits, target.logits
        losses = Losses({})
        if ce:
            losses += ce * term("ce", F.cross_entropy(s, batch.labels))
        if standardise:
            s, t = divergences.zscore(s), divergences.zscore(t)
        if kd:
            losses += kd * term("kd", divergences.kd(s, t, T, reduction=reduction, t2=t2))
        return losses

    return Plain(objective, needs=("target",))


PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "kd": ("Hinton's distillation: 0.1 CE + 0.9 T² KL, T = 4 (RepDistiller, mdistiller, DA's baseline)", {}),
    "kd-simkd": ("as SimKD's toolbox has it: 1 CE + 1 T² KL, T = 4", {"ce": 1.0, "kd": 1.0}),
    "kd-disk": ("DiSK eq. 1: α CE + (1-α) T² cross-entropy form, α = 0.1, T = 4", {"reduction": "cross-entropy"}),
    "kd-adversarial": ("adversarial-context KD eq. 2, T² written in: 0.1 CE + 0.9 T² KL, T = 10", {"T": 10.0}),
    "kd-tfkd": (
        "Tf-KD's code to the letter: 0.4 CE + 0.6 T² KL ÷ K, T = 20",
        {"T": 20.0, "ce": 0.4, "kd": 0.6, "reduction": "elementwise"},
    ),
    "kd-soft": ("HARD on MNIST and CIFAR-10: solely T² KL, T = 5", {"T": 5.0, "ce": 0.0, "kd": 1.0}),
    "kd-soft-imagenet": ("HARD on ImageNet: solely KL, T = 1", {"T": 1.0, "ce": 0.0, "kd": 1.0}),
    "kd-standardised": (
        "logit standardisation: 0.1 CE + 9 T² KL of z-scored logits, T = 2",
        {"T": 2.0, "kd": 9.0, "standardise": True},
    ),
}
