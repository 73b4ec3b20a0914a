"""Noise of each pixel for itself. x (B, C, H, W) in [0, 1], as everywhere in these corruptions."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.evaluate.corruptions.chance import Chance


def gaussian_noise(x: Tensor, chance: Chance, sd: float) -> Tensor:
    """Normal noise is added."""
    return (x + sd * chance.normal(*x.shape[1:])).clamp(0, 1)


def shot_noise(x: Tensor, chance: Chance, photons: float) -> Tensor:
    """Each pixel counts its light: a white one `photons` on average."""
    return (chance.poisson(x * photons) / photons).clamp(0, 1)


def impulse_noise(x: Tensor, chance: Chance, amount: float) -> Tensor:
    """A part `amount` of the pixels, in each channel for itself, becomes black or white."""
    hit, salt = chance.uniform(2, *x.shape[1:]).unbind(1)
    return torch.where(hit < amount, (salt < 0.5).to(x), x)


def speckle_noise(x: Tensor, chance: Chance, sd: float) -> Tensor:
    """Normal noise that is stronger where the image is bright."""
    return (x + x * sd * chance.normal(*x.shape[1:])).clamp(0, 1)
