"""Residual networks for small images: a 3×3 stem without max-pooling, then stages that halve the side.

Two families share this file's one class. The *4-stage* family (ResNet10-xxxs … ResNet50; DiSK, Tf-KD, HARD) is the
ImageNet network with a small stem. The *CRD* family (resnet8x4, resnet20, resnet56 …; He et al. 2016, section 4.2) has
three stages. Counts: `tests/nets/test_counts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.nets.init import fan_out


def conv3x3(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution that keeps the side (at stride 1) and has no bias, because a normalisation follows."""
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=False)


def pool() -> nn.Sequential:
    """Average over the whole map: (B, C, H, W) → (B, C), whatever the side."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def shortcut(before: int, after: int, stride: int) -> nn.Module:
    """The path around a block: nothing, or a 1×1 convolution with normalisation where the shape changes."""
    if stride == 1 and before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a way around them: (B, before, H, W) → (B, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(before, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(before, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up by four: (B, before, H, W) → (B, 4 · width, H/stride, W/stride)."""

    expansion = 4

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut(before, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, stages of residual blocks, one average, one linear layer: (B, C, H, W) → (B, K).

    depths: blocks in each stage; widths: their channels; stem: channels of the stem. The first stage keeps the side,
    every later one halves it.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        *,
        depths: Sequence[int],
        widths: Sequence[int],
        stem: int,
        classes: int,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, stem)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.stages = [f"layer{i + 1}" for i in range(len(depths))]
        before = stem
        for name, depth, width in zip(self.stages, depths, widths, strict=True):
            ways = [before] + [width * block.expansion] * depth
            strides = [1 if name == "layer1" else 2] + [1] * (depth - 1)
            blocks = [block(a, width, stride) for (a, _), stride in zip(pairwise(ways), strides, strict=True)]
            self.add_module(name, nn.Sequential(*blocks))
            before = ways[-1]
        self.pool = pool()
        self.fc = nn.Linear(before, classes)
        self.taps = {"stem": "relu", **{f"stage{i + 1}": name for i, name in enumerate(self.stages)}}
        self.taps |= {"map": self.stages[-1], "features": "pool"}

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(self.pool(x))


def four_stage(
    classes: int,
    shape: tuple[int, int, int],
    *,
    depths: Sequence[int] = (2, 2, 2, 2),
    widths: Sequence[int] = (64, 128, 256, 512),
    bottleneck: bool = False,
) -> ResNet:
    """ResNet10/18/34/50 for small images, started as PyTorch starts layers."""
    block = Bottleneck if bottleneck else BasicBlock
    return ResNet(block, depths=depths, widths=widths, stem=widths[0], classes=classes, channels=shape[0])


def three_stage(
    classes: int,
    shape: tuple[int, int, int],
    *,
    blocks: int = 3,
    widths: Sequence[int] = (16, 32, 64),
    stem: int = 16,
) -> ResNet:
    """The CRD networks of depth 6 · blocks + 2; with wider `widths` also SimKD's post-activation "Wide-ResNet"."""
    net = ResNet(
        BasicBlock, depths=(blocks,) * len(widths), widths=widths, stem=stem, classes=classes, channels=shape[0]
    )
    fan_out(net)
    return net
