"""Vision transformers for small images (Dosovitskiy et al. 2021), as the HARD paper configures them.

The image is cut into square patches, each becomes a token; a class token reads the others by attention and answers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import UserError


class Attention(nn.Module):
    """Tokens look at each other, in several heads: (B, N, dim) → (B, N, dim). Queries, keys, values have no bias."""

    def __init__(self, dim: int, heads: int, dim_head: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.out = nn.Linear(heads * dim_head, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])  # scaled by dim_head^-1/2
        return self.dropout(self.out(seen.transpose(1, 2).reshape(b, n, -1)))


class Block(nn.Module):
    """Attention, then a perceptron on every token, each normalised before and added to its input: shape kept."""

    def __init__(self, dim: int, heads: int, dim_head: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(dim, heads, dim_head, dropout)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, mlp),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class ViT(nn.Module):
    """Patches → tokens → transformer → the class token → logits: (B, C, H, W) → (B, K).

    tokens: number of patches; mlp_head: a hidden GELU layer in the head instead of LayerNorm and one linear layer.
    """

    def __init__(
        self,
        *,
        tokens: int,
        classes: int,
        channels: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        dim_head: int,
        mlp: int,
        dropout: float,
        mlp_head: bool,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, dim, patch, stride=patch)
        self.cls = nn.Parameter(torch.randn(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, tokens + 1, dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(dim, heads, dim_head, mlp, dropout) for _ in range(depth)))
        self.latent = nn.Identity() if mlp_head else nn.LayerNorm(dim)
        if mlp_head:
            self.head = nn.Sequential(nn.Linear(dim, mlp), nn.GELU(), nn.Linear(mlp, classes))
        else:
            self.head = nn.Linear(dim, classes)
        self.taps = {"stem": "patches"} | {f"block{i + 1}": f"blocks.{i}" for i in range(depth)}
        self.taps |= {"tokens": "blocks", "features": "latent"}

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        x = self.blocks(self.dropout(x))
        return self.head(self.latent(x[:, 0]))


def vit(
    classes: int,
    shape: tuple[int, int, int],
    *,
    patch: int = 4,
    dim: int = 512,
    depth: int = 6,
    heads: int = 8,
    dim_head: int = 64,
    mlp: int = 512,
    dropout: float = 0.1,
    mlp_head: bool = False,
) -> ViT:
    """A transformer for images whose sides are multiples of `patch`; the defaults are HARD's CIFAR student."""
    channels, height, width = shape
    if height % patch or width % patch:
        raise UserError(
            f"a vit cuts the image into patches of {patch} pixels, but the images are {height}×{width}; "
            "give patch= a divisor of both"
        )
    return ViT(
        tokens=(height // patch) * (width // patch),
        classes=classes,
        channels=channels,
        patch=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        dim_head=dim_head,
        mlp=mlp,
        dropout=dropout,
        mlp_head=mlp_head,
    )
