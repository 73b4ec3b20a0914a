"""How far two answers are apart. s, t: student and teacher logits (B, K); T: temperature; natural logarithms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Normaliser = Literal["l1", "l2", "softmax", "zscore", "raw"]
Reduction = Literal["batchmean", "elementwise", "cross-entropy"]


def kd(
    s: Tensor, t: Tensor, T: float, *, reduction: Reduction | Literal["none"] = "batchmean", t2: bool = True
) -> Tensor:
    """Hinton's distillation term T² · KL(p_T(t) ‖ p_T(s)): the student is told the teacher's softened answer.

    reduction: "batchmean" (sum over classes, mean over the batch), "elementwise" (÷ B·K, K times smaller, as
    `KLDivLoss`'s default mean), "cross-entropy" (−Σ p_T(t) ln p_T(s), batch mean: same gradient, other value) or
    "none" (B,). t2=False leaves out the factor T².
    """
    log_s, log_t = F.log_softmax(s / T, dim=1), F.log_softmax(t / T, dim=1)
    if reduction == "cross-entropy":
        rows = -(log_t.exp() * log_s).sum(1)
    else:
        rows = F.kl_div(log_s, log_t, reduction="none", log_target=True).sum(1)
    scaled = rows * T**2 if t2 else rows
    if reduction == "none":
        return scaled
    if reduction not in ("batchmean", "elementwise", "cross-entropy"):
        raise ValueError(f"unknown reduction {reduction!r}: batchmean, elementwise, cross-entropy or none")
    return scaled.mean() / (s.shape[1] if reduction == "elementwise" else 1)


def zscore(z: Tensor) -> Tensor:
    """Each row of logits (B, K) with mean 0 and standard deviation 1 (ddof 1), as logit standardisation has it."""
    return (z - z.mean(1, keepdim=True)) / (z.std(1, keepdim=True) + 1e-7)


NORMALISERS: dict[str, Callable[[Tensor], Tensor]] = {
    "l1": lambda z: F.normalize(z, p=1, dim=1, eps=1e-12),
    "l2": lambda z: F.normalize(z, p=2, dim=1, eps=1e-12),
    "softmax": lambda z: torch.softmax(z, dim=1),
    "zscore": zscore,
    "raw": lambda z: z,
}


def normalised(kind: str, z: Tensor) -> Tensor:
    """Rows of logits (B, K) brought to a comparable scale: DA's N(·), "l1" in its published table."""
    return NORMALISERS[kind](z)


def mse_disagreement(s: Tensor, t: Tensor, kind: str = "l1") -> Tensor:
    """DA's disagreement per sample (B,): the mean over classes of (N(s) − N(t))²."""
    return (normalised(kind, s) - normalised(kind, t)).square().mean(1)
