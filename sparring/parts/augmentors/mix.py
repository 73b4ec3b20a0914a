"""Patch-wise mixing of a few images by attention: HARD-Mix (Nix, Burg & Sinz 2023, Fig. 3)."""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import UserError
from sparring.parts.augmentors.augmentor import Augmentor


class Mix(Augmentor):
    """Each output patch is a mean of the patches that a group of images have at its place, weighted by attention.

        e_{i,p} = W patch_{i,p} + b,   q = μ + σ ⊙ ε,
        w_{i,p} = softmax_i(⟨e_{i,p}, q⟩ / √d),   x̃_p = Σ_i w_{i,p} patch_{i,p}

    shape: (C, H, W); patch: side P of the patches, which must divide H and W; dim: d; group: G images that are mixed,
    one output with a query of its own for each. own: at the beginning, what an image's own attention is above the
    others' (learned; ours, so that it starts near the identity: 0 is the paper's form, which starts at even mixtures).
    """

    rate = 1e-3  # not published

    def __init__(
        self, shape: tuple[int, int, int], *, patch: int | None = None, dim: int = 64, group: int = 2, own: float = 6.0
    ) -> None:
        super().__init__()
        self.patch, self.group = (16 if min(shape[1:]) >= 224 else 4) if patch is None else patch, group
        if self.patch < 1 or dim < 1:
            raise UserError(f"perturb.patch={self.patch} and perturb.dim={dim}: give patches and a width of 1 or more")
        if shape[1] % self.patch or shape[2] % self.patch:
            raise UserError(
                f"HARD-Mix cuts images into patches of {self.patch} pixels and these are {shape[1]}×{shape[2]}: "
                "give perturb.patch= a divisor of both"
            )
        if group < 2:
            raise UserError(f"HARD-Mix mixes groups of images, and perturb.group={group} is none: give 2 or more")
        self.embed = nn.Conv2d(shape[0], dim, self.patch, stride=self.patch)
        self.mean = nn.Parameter(torch.zeros(dim))
        self.spread = nn.Parameter(torch.full((dim,), 0.5413))  # softplus of it is 1
        self.own = nn.Parameter(torch.tensor(own))

    def forward(self, x: Tensor) -> Tensor:
        if len(x) % self.group:
            raise UserError(f"HARD-Mix mixes groups of {self.group}, and a batch of {len(x)} is no multiple of it")
        noise = torch.randn(len(x), len(self.mean), device=x.device)
        return self.mixed(x, self.mean + F.softplus(self.spread) * noise)

    def mixed(self, x: Tensor, queries: Tensor) -> Tensor:
        """The images (B, C, H, W) mixed by queries (B, d), one for each output."""
        B, C, H, W = x.shape
        with torch.autocast(x.device.type, enabled=False):
            tokens = self.embed(x).flatten(2).view(B // self.group, self.group, -1, H * W // self.patch**2)
            asked = queries.view(B // self.group, self.group, -1)
            attention = torch.einsum("gidp,gjd->gjip", tokens, asked) / sqrt(tokens.shape[2])
            attention = attention + self.own * torch.eye(self.group, device=x.device)[:, :, None]
            weights = attention.softmax(2)  # (groups, outputs, inputs, patches)
            patches = F.unfold(x, self.patch, stride=self.patch).view(
                B // self.group, self.group, -1, weights.shape[-1]
            )
            mixed = torch.einsum("gjip,gicp->gjcp", weights, patches).reshape(B, -1, weights.shape[-1])
            return F.fold(mixed, (H, W), self.patch, stride=self.patch).view(B, C, H, W)
