"""Random affine maps of the image plane: HARD-Affine (Nix, Burg & Sinz 2023, Fig. 3)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparring.parts.augmentors.augmentor import Augmentor

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
LINE = ((1.0, 0.0, 1.0), (0.0, 0.0, 0.0))  # of an image of one row only scale and shift along it mean anything


def warp(x: Tensor, theta: Tensor) -> Tensor:
    """Images (B, C, H, W) seen through affine maps (B, 2, 3), bilinearly, with zeros beyond the border.

    A matrix takes output to input coordinates, both in [-1, 1] across the image: a translation of +0.5 in x on a row of
    4 pixels moves the content left by one, a scale of 2 shrinks it. In float32 whatever the network computes in.
    """
    with torch.autocast(x.device.type, enabled=False):
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class Affine(Augmentor):
    """ϑ = μ + s ⊙ ε ∈ R^{2×3}, ε ~ N(0, I) for each image, and the image seen through ϑ; μ and s are learned.

    shape: (C, H, W) of the images; one of a single row is only scaled and shifted along it.
    start: s at the beginning, for all entries. covariance: "diagonal", or "full" for ϑ = μ + L ε with a learned 6 × 6
    lower triangle L. mean: "identity" keeps μ where it starts, so that the spread alone is learned. outside: the pixel
    that lies everywhere beyond the border.
    """

    mask: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        start: float = 0.01,
        covariance: Literal["diagonal", "full"] = "diagonal",
        mean: Literal["learned", "identity"] = "learned",
        outside: float = 0.0,
    ) -> None:
        super().__init__()
        self.outside = outside
        mask = torch.tensor(LINE) if shape[1] == 1 else torch.ones(2, 3)
        self.register_buffer("mask", mask.flatten(), persistent=False)
        self.mean = nn.Parameter(torch.tensor(IDENTITY).flatten(), requires_grad=mean == "learned")
        self.spread = nn.Parameter(torch.full((6,), start) if covariance == "diagonal" else start * torch.eye(6))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(torch.randn(len(x), 6, device=x.device))
        return warp(x - self.outside, maps) + self.outside if self.outside else warp(x, maps)

    def maps(self, noise: Tensor) -> Tensor:
        """The affine maps (B, 2, 3) of some noise (B, 6)."""
        with torch.autocast(noise.device.type, enabled=False):
            moved = noise * self.spread if self.spread.ndim == 1 else noise @ self.spread.tril().T
        still = torch.eye(2, 3, device=noise.device).flatten()
        return (still + self.mask * (self.mean - still + moved)).view(-1, 2, 3)
