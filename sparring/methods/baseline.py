"""The student alone: plain cross-entropy on the labels, nothing perturbed, no teacher asked."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Batch, Losses, Output, Setting, term
from sparring.parts.part import UNMOVED, Objective, Perturb, Plain, Targets


def clean(setting: Setting) -> Perturb:
    """Learn from the inputs as they come."""

    def perturb(batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        return batch.x

    return Plain(perturb, offers=(UNMOVED,))


def none(setting: Setting) -> Targets:
    """Ask for nothing beyond the label."""

    def targets(x: Tensor, batch: Batch) -> None:
        return None

    return Plain(targets)


def ce(setting: Setting, *, smoothing: float = 0.0, over: Literal["all", "others"] = "all") -> Objective:
    """Cross-entropy to the label, optionally smoothed.

    smoothing: the share ε of the target that is spread evenly over "all" K classes (torch's convention: the label keeps
    1 − ε + ε / K) or over the "others" alone (Tf-KD's code: it keeps 1 − ε).
    """
    whole = smoothing * setting.classes / (setting.classes - 1) if over == "others" else smoothing
    if smoothing < 0 or whole > 1:
        raise ValueError(f"smoothing is {smoothing:g}: give 0 or more, and no more than leaves the label its share")

    def objective(output: Output, target: Output | None, batch: Batch) -> Losses:
        return term("ce", F.cross_entropy(output.logits, batch.labels, label_smoothing=whole))

    return objective
