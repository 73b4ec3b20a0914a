"""MobileNetV2 for small images (Sandler et al. 2018; the CRD benchmark's variant: plain ReLU, stem of stride 2)."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.nets.init import fan_out
from sparring.nets.resnet import pool

STAGES = (  # expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def layer(before: int, after: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution of side `side`, normalisation, activation."""
    conv = nn.Conv2d(before, after, side, stride, padding=side // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU()]


class Inverted(nn.Module):
    """Widen, filter each channel alone, narrow: (B, before, H, W) → (B, width, H/stride, W/stride)."""

    def __init__(self, before: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.around = stride == 1 and before == width
        self.conv = nn.Sequential(
            *layer(before, wide, 1),
            *layer(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.around else self.conv(x)


class MobileNetV2(nn.Module):
    """A stem, seven stages of inverted residuals, a 1×1 convolution, one linear layer: (B, C, H, W) → (B, K)."""

    def __init__(self, *, width: float, classes: int, channels: int = 3) -> None:
        super().__init__()
        before, last = int(32 * width), int(1280 * max(1.0, width))
        self.conv1 = nn.Sequential(*layer(channels, before, 3, stride=2))
        stages = []
        for expansion, base, blocks, stride in STAGES:
            after = int(base * width)
            first = Inverted(before, after, stride, expansion)
            stages.append(nn.Sequential(first, *(Inverted(after, after, 1, expansion) for _ in range(blocks - 1))))
            before = after
        self.blocks = nn.Sequential(*stages)
        self.conv2 = nn.Sequential(*layer(before, last, 1))
        self.pool = pool()
        self.classifier = nn.Linear(last, classes)
        # Stages as the toolboxes count them for feature distillation: one for each side of the map, not seven.
        self.taps = {"stem": "conv1", "stage1": "blocks.1", "stage2": "blocks.2", "stage3": "blocks.4"}
        self.taps |= {"stage4": "blocks.6", "map": "conv2", "features": "pool"}
        fan_out(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.conv2(self.blocks(self.conv1(x)))))


def mobilenet(classes: int, shape: tuple[int, int, int], *, width: float = 0.5) -> MobileNetV2:
    """MobileNetV2 of the distillation papers is the half-width network; "MobileNetV2x2" is the one of width 1."""
    return MobileNetV2(width=width, classes=classes, channels=shape[0])
