"""VGG with batch normalisation for small images (Simonyan & Zisserman 2015; CRD's variant with one linear layer)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sparring.core import UserError
from sparring.nets.init import fan_out
from sparring.nets.resnet import pool

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five blocks of 3×3 convolutions, max-pooled in between, one average, one linear layer: (B, C, H, W) → (B, K).

    depths: convolutions in each block; pools: after how many of the first blocks the side is halved.
    """

    def __init__(self, *, depths: Sequence[int], pools: int, classes: int, channels: int = 3) -> None:
        super().__init__()
        before = channels
        for i, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True)):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            self.add_module(f"block{i}", nn.Sequential(*layers))
            self.add_module(f"pool{i}", nn.MaxPool2d(2) if i < pools else nn.Identity())
        self.pool = pool()
        self.classifier = nn.Linear(before, classes)
        # The toolboxes call the first block the stem, so that "stage 2" means the same in every network.
        self.taps = {"stem": "block0"} | {f"stage{i}": f"block{i}" for i in range(1, 5)}
        self.taps |= {"map": "block4", "features": "pool"}
        fan_out(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(5):
            x = self.get_submodule(f"pool{i}")(self.get_submodule(f"block{i}")(x))
        return self.classifier(self.pool(x))


def vgg(classes: int, shape: tuple[int, int, int], *, depths: Sequence[int] = (1, 1, 1, 1, 1)) -> VGG:
    """VGG8 and its deeper kin; images of 64 pixels and more are halved once more, as in the released code."""
    side = min(shape[1:])
    if side < 8:
        raise UserError(f"a vgg halves the image three times, but the images are {side} pixels wide; give at least 8")
    return VGG(depths=depths, pools=4 if side >= 64 else 3, classes=classes, channels=shape[0])
