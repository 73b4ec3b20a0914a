"""ShuffleNetV2 for small images (Ma et al. 2018; the variant of the CRD benchmark, whose stem is a 1×1 convolution)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparring.nets.resnet import pool


def pointwise(before: int, after: int) -> list[nn.Module]:
    """1×1 convolution, normalisation, activation."""
    return [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


def depthwise(width: int, stride: int) -> list[nn.Module]:
    """3×3 convolution of each channel alone, and normalisation: no activation follows."""
    return [nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False), nn.BatchNorm2d(width)]


def shuffled(x: Tensor) -> Tensor:
    """Interleave the two halves of the channels: (B, C, H, W) → (B, C, H, W)."""
    b, c, h, w = x.shape
    return x.reshape(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


class Unit(nn.Module):
    """Half of the channels pass by, half go through the branch, then they are shuffled: shape kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(*pointwise(half, half), *depthwise(half, 1), *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        passing, working = x.chunk(2, dim=1)
        return shuffled(torch.cat([passing, self.branch(working)], dim=1))


class Down(nn.Module):
    """Both branches work and halve the side: (B, before, H, W) → (B, width, H/2, W/2)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.left = nn.Sequential(*depthwise(before, 2), *pointwise(before, half))
        self.right = nn.Sequential(*pointwise(before, half), *depthwise(half, 2), *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        return shuffled(torch.cat([self.left(x), self.right(x)], dim=1))


class ShuffleNetV2(nn.Module):
    """Three stages of shuffled units between two 1×1 convolutions: (B, C, H, W) → (B, K)."""

    def __init__(self, *, widths: Sequence[int], units: Sequence[int], classes: int, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(*pointwise(channels, 24))
        before, stages = 24, []
        for width, more in zip(widths, units, strict=True):
            stages.append(nn.Sequential(Down(before, width), *(Unit(width) for _ in range(more))))
            before = width
        self.layer1, self.layer2, self.layer3 = stages
        self.last = nn.Sequential(*pointwise(before, 1024))
        self.pool = pool()
        self.linear = nn.Linear(1024, classes)
        self.taps = {"stem": "stem", "stage1": "layer1", "stage2": "layer2", "stage3": "layer3"}
        self.taps |= {"map": "last", "features": "pool"}

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.linear(self.pool(self.last(x)))


def shufflenet(classes: int, shape: tuple[int, int, int], *, widths: Sequence[int] = (116, 232, 464)) -> ShuffleNetV2:
    """ShuffleNetV2 with 4, 8 and 4 units in its stages, started as PyTorch starts layers."""
    return ShuffleNetV2(widths=widths, units=(3, 7, 3), classes=classes, channels=shape[0])
