"""Learned Gaussian noise: HARD's toy (Fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparring.parts.augmentors.augmentor import Augmentor


class Gaussian(Augmentor):
    """x̃ = x + μ + σ·ε, ε ~ N(0, 1) for each value; μ, σ learned for each channel.

    start: σ at the beginning (only |σ| matters: the noise is symmetric).
    """

    def __init__(self, channels: int, *, start: float = 0.01) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels, 1, 1))
        self.spread = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mean + self.spread * torch.randn_like(x)
