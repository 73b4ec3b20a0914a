"""The small convolutional network of MNIST's robustness literature (Wong & Kolter 2018), without normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from sparring.core import UserError


class SmallCNN(nn.Module):
    """Two convolutions of 4 × 4 that halve the sides, and two linear layers: (B, C, H, W) → (B, K)."""

    def __init__(self, *, classes: int, shape: tuple[int, int, int], widths: tuple[int, int], hidden: int) -> None:
        super().__init__()
        channels, high, wide = shape
        first, second = widths
        self.layer1 = nn.Sequential(nn.Conv2d(channels, first, 4, stride=2, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(first, second, 4, stride=2, padding=1), nn.ReLU())
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(second * (high // 4) * (wide // 4), hidden), nn.ReLU())
        self.fc = nn.Linear(hidden, classes)
        self.taps = {"stage1": "layer1", "stage2": "layer2", "map": "layer2", "features": "hidden"}

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.hidden(self.layer2(self.layer1(x))))


def small_cnn(
    classes: int, shape: tuple[int, int, int], *, widths: tuple[int, int] = (16, 32), hidden: int = 100
) -> SmallCNN:
    """The network for images of `shape`."""
    if min(shape[1:]) < 4:
        raise UserError(f"small-cnn halves its images twice, and they are {shape[1]}×{shape[2]}; take an mlp")
    return SmallCNN(classes=classes, shape=shape, widths=widths, hidden=hidden)
