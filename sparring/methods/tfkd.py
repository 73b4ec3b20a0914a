"""Teacher-free and reversed knowledge distillation (Yuan et al. 2020; Sections 4.2 to 4.4 of the adversarial-context
paper): what a teacher is for, if a small one, an earlier self or a formula does as well.

    Re-KD, De-KD    (1 − α) CE + α D(p_τ(t) ‖ p_τ(s))      t a small, or a badly trained, frozen network      (eq. 2)
    Tf-KD self      the same, t the student's own network, trained alone before; the student begins anew     (eq. 3)
    Tf-KD reg       the same, t the virtual teacher u: u_y = a, u_k = (1 − a) / (K − 1) elsewhere             (eq. 4)

The released code departs from the print in three ways. Its KL is a mean over B · K elements, so that its weights hold a
factor 1 / K (K = 100 there): the rows below have them K-free, as weights of the batch's mean. In reg its target is
softmax(u / τ), of probabilities, nearly uniform, and the student is not tempered, nor is there a τ². And a multiplier
in its settings scales the KL. Neither says T², α, τ or a for CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Output, Setting
from sparring.parts.part import Plain, Targets

TINY = 1e-12

REKD: Mapping[str, Any] = {"T": 20.0, "ce": 0.4, "kd": 2.4, "t2": False}  # α = 0.6: 0.6 · 20² / 100
SELF: Mapping[str, Any] = {"T": 6.0, "ce": 0.05, "kd": 17.1, "t2": False}  # ResNet18: α = 0.95, multiplier 50
REG: Mapping[str, Any] = {"T": 1.0, "ce": 0.9, "kd": 0.1}  # ResNet18: α = 0.1, multiplier 100
LITERAL: Mapping[str, Any] = {"T": 1.0, "ce": 0.9, "kd": 10.0, "reduction": "elementwise"}
PAPER: Mapping[str, Any] = {"T": 20.0, "ce": 0.9, "kd": 0.1}


def virtual(
    setting: Setting, *, a: float = 0.99, tau: float = 20.0, form: Literal["softmax", "direct"] = "softmax"
) -> Targets:
    """Ask a teacher that is a function of the label: a on its class, the rest shared evenly by the others.

    a: what the label's class gets, above 1 / K. form: "softmax" answers with u / tau as logits, so that at T = 1 the
    target is softmax(u / tau), the released code's (tau=1 leaves the tempering to the objective's T, the paper's);
    "direct" with ln u, so that at T = 1 the target is u itself.
    """
    if not 1 / setting.classes < a <= 1 or tau <= 0:
        raise ValueError(f"a is {a:g}, tau {tau:g}: give a above 1/{setting.classes} and at most 1, tau above 0")

    def targets(x: Tensor, batch: Batch) -> Output:
        u = spread(batch.labels, setting.classes, a)
        return Output(u.clamp_min(TINY).log() if form == "direct" else u / tau)

    return Plain(targets, offers=("target",))


def spread(labels: Tensor, classes: int, a: float) -> Tensor:
    """The virtual teacher's probabilities u (B, K) for class numbers (B,), or for shares of classes (B, K)."""
    shares = F.one_hot(labels, classes).to(torch.float32) if labels.ndim == 1 else labels
    return a * shares + (1 - a) / (classes - 1) * (1 - shares)
