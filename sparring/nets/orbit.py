"""The MNIST teacher of the HARD paper, from the "Orbit" experiments; its student is an `mlp` (see `names.py`)."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.core import UserError
from sparring.nets.resnet import pool


def stage(before: int, after: int, side: int, dropout: float) -> nn.Sequential:
    """3×3 convolution without padding, ReLU, max-pooling over `side`, dropout."""
    return nn.Sequential(nn.Conv2d(before, after, 3), nn.ReLU(), nn.MaxPool2d(side), nn.Dropout(dropout))


class OrbitCNN(nn.Module):
    """Three convolutions of `widths` channels, pooled by 1, 2 and 3, then averaged: (B, C, H, W) → (B, K)."""

    def __init__(self, *, classes: int, channels: int, widths: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        self.layer1 = stage(channels, widths[0], 1, dropout)
        self.layer2 = stage(widths[0], widths[1], 2, dropout)
        self.layer3 = stage(widths[1], widths[2], 3, dropout)
        self.pool = pool()
        self.fc = nn.Linear(widths[2], classes)
        self.taps = {"stage1": "layer1", "stage2": "layer2", "stage3": "layer3", "map": "layer3", "features": "pool"}

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.layer3(self.layer2(self.layer1(x)))))


def orbit_cnn(
    classes: int, shape: tuple[int, int, int], *, widths: tuple[int, int, int] = (128, 64, 64), dropout: float = 0.1
) -> OrbitCNN:
    """HARD's convolutional MNIST teacher."""
    if min(shape[1:]) < 14:
        raise UserError(
            f"orbit-cnn convolves without padding and needs images of 14 pixels or more, but they are "
            f"{shape[1]}×{shape[2]}; take resnet8 or an mlp"
        )
    return OrbitCNN(classes=classes, channels=shape[0], widths=widths, dropout=dropout)
