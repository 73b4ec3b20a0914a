"""Wide residual networks (Zagoruyko & Komodakis 2016) as the CRD and mdistiller benchmarks define them.

Here normalisation and activation come *before* each convolution. SimKD and DiSK call another network by the same name:
the post-activation one, which is `resnet.three_stage` with wider stages (names ending in -post).
"""

from __future__ import annotations

from torch import Tensor, nn

from sparring.nets.init import fan_out
from sparring.nets.resnet import conv3x3, pool


class Preactivated(nn.Module):
    """BN, ReLU, 3×3, BN, ReLU, 3×3 and a way around: (B, before, H, W) → (B, width, H/stride, W/stride)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = conv3x3(before, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.shortcut = None if before == width else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        ready = nn.functional.relu(self.bn1(x))
        out = self.conv2(nn.functional.relu(self.bn2(self.conv1(ready))))
        # Where the width changes, the way around starts from the activated tensor: the released code's reading.
        return out + (x if self.shortcut is None else self.shortcut(ready))


class WideResNet(nn.Module):
    """Three groups of (depth - 4) / 6 blocks, `widen` times wider than 16, 32, 64: (B, C, H, W) → (B, K)."""

    def __init__(self, *, depth: int, widen: int, classes: int, channels: int = 3) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = conv3x3(channels, 16)
        self.block1 = group(16, 16 * widen, 1, blocks)
        self.block2 = group(16 * widen, 32 * widen, 2, blocks)
        self.block3 = group(32 * widen, 64 * widen, 2, blocks)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.relu = nn.ReLU()
        self.pool = pool()
        self.fc = nn.Linear(64 * widen, classes)
        self.taps = {"stem": "conv1", "stage1": "block1", "stage2": "block2", "stage3": "block3"}
        self.taps |= {"map": "relu", "features": "pool"}
        fan_out(self)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(self.pool(self.relu(self.bn1(x))))


def group(before: int, width: int, stride: int, blocks: int) -> nn.Sequential:
    """One stage: the first block changes shape, the others keep it."""
    first = Preactivated(before, width, stride)
    return nn.Sequential(first, *(Preactivated(width, width, 1) for _ in range(blocks - 1)))


def wide(classes: int, shape: tuple[int, int, int], *, depth: int = 40, widen: int = 2) -> WideResNet:
    """WRN-depth-widen, for example WRN-40-2."""
    return WideResNet(depth=depth, widen=widen, classes=classes, channels=shape[0])
