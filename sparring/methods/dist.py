"""DIST (Huang, You, Wang, Qian & Xu 2022): of a stronger teacher's answer, learn the relations and not the values.

With p = softmax(z / τ) (B, K) and ρ Pearson's correlation, which is blind to scale and shift:

    inter = 1 − (1/B) Σ_b ρ(p^s_b·, p^t_b·)     how the classes relate for an image (rows)
    intra = 1 − (1/K) Σ_k ρ(p^s_·k, p^t_·k)     how the images relate for a class (columns)

    L = w_ce · CE(s, y) + w · τ² · (β · inter + γ · intra)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Losses, Output, Setting, UserError, term
from sparring.parts.part import Objective, Plain

EPS = 1e-8


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's ρ of each row of a (N, M) with the same row of b (N,).

    A row that is constant to rounding correlates with nothing: ρ = 0 without a gradient, which by the formula would be
    of the size of 1/EPS (a student whose head begins at zero answers all images alike).
    """
    flat = (a.amax(1) - a.amin(1)) <= 4 * torch.finfo(a.dtype).eps * a.abs().amax(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    rho = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + EPS)
    return torch.where(flat, 0.0, rho)


def relations(s: Tensor, t: Tensor, T: float) -> tuple[Tensor, Tensor]:
    """(inter, intra), each (), without τ²; s, t: logits (B, K)."""
    s, t = torch.softmax(s / T, dim=1), torch.softmax(t / T, dim=1)
    return 1 - correlation(s, t).mean(), 1 - correlation(s.T, t.T).mean()


def dist(
    setting: Setting,
    *,
    T: float = 4.0,
    ce: float = 1.0,
    weight: float = 2.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> Objective:
    """Cross-entropy plus how little the student's answers correlate with the teacher's, by image and by class.

    T: temperature τ; ce: weight of the cross-entropy (0 leaves it out); weight: w, of both relations together; beta,
    gamma: of each, by image (inter) and by class (intra). The latter is taken over the batch, in each process over its
    own rows.
    """
    if T <= 0:
        raise ValueError(f"T is {T:g}: give a temperature above 0")
    if min(ce, weight, beta, gamma) < 0:
        raise ValueError(f"ce is {ce:g}, weight {weight:g}, beta {beta:g}, gamma {gamma:g}: give weights of 0 or more")
    if setting.classes == 2:
        raise ValueError("DIST asks how answers correlate, and those about two classes do so wholly: choose kd or dkd")
    if not ce and not (weight and (beta or gamma)):
        raise ValueError("all weights are 0, so there is nothing to learn from: give objective.weight")

    def objective(output: Output, target: Output, batch: Batch) -> Losses:
        s = output.logits
        if len(s) < 2 and gamma:
            raise UserError(
                "objective=dist correlates the images of a batch, and there is one: give --batch-size of 3 or more (of "
                "two images any two correlate fully), or objective.gamma=0"
            )
        inter, intra = relations(s, target.logits, T)
        losses = ce * term("ce", F.cross_entropy(s, batch.labels)) if ce else Losses({})
        return losses + weight * (beta * term("inter", T**2 * inter) + gamma * term("intra", T**2 * intra))

    return Plain(objective, needs=("target",))
