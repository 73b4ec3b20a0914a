"""Disagreement Augmentation (Goldfeder, Wong, Pace & Lipson).

With probability p, move the whole batch e steps up the teacher–student disagreement before learning from it:

    d(x) = (1/BK) Σ (N(S(x)) − N(T(x)))²,      x ← Adam step of size α up ∇d,      then KD at x̃.

N divides a row of logits by its L1 norm. α is in units of standardised inputs, so the climb is made on the
displacement δ of x = x₀ + σδ. Defaults reproduce Table I; `follow="release"` is the authors' later code.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sparring.core import Batch, Output, Setting
from sparring.parts import divergences
from sparring.parts.ascend import STEPS, ascend
from sparring.parts.coin import Coin, processes
from sparring.parts.part import Part, Targets
from sparring.parts.quiet import audibly, full_precision, mode, quietly


def disagreement(s: Tensor, t: Tensor, measure: str, normalise: str) -> Tensor:
    """How far apart student and teacher are at a batch, a scalar: mean over B·K ("mse") or over B ("kl", T = 1)."""
    if measure == "mse":
        return divergences.mse_disagreement(s, t, normalise).mean()
    return divergences.kd(divergences.normalised(normalise, s), divergences.normalised(normalise, t), T=1.0)


class Disagreement(Part):
    """The perturbation: a coin, and a climb on the input."""

    needs = frozenset({"target"})

    def __init__(self, setting: Setting, **options: object) -> None:
        super().__init__()


def da(
    setting: Setting,
    *,
    p: float = 0.7374,
    alpha: float = 0.01778,
    steps: int = 1,
) -> Part:
    raise AssertionError
