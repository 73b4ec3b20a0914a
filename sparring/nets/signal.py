"""The convolutional network of MNIST-1D (Greydanus & Kobak 2024); its perceptron is an `mlp` (see `names.py`)."""

from __future__ import annotations

from torch import Tensor, nn


class SignalCNN(nn.Module):
    """Three convolutions of stride 2 along the rows laid end to end, a linear layer: (B, C, H, W) → (B, K)."""

    def __init__(self, *, classes: int, channels: int, length: int, width: int = 25) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv1d(channels, width, 5, stride=2, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU())
        self.flat = nn.Flatten()
        left = (length - 3) // 2 + 1
        for _ in range(2):
            left = (left - 1) // 2 + 1
        self.fc = nn.Linear(width * left, classes)
        self.taps = {"stage1": "layer1", "stage2": "layer2", "stage3": "layer3", "features": "flat"}

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flat(self.layer3(self.layer2(self.layer1(x.flatten(2))))))


def signal_cnn(classes: int, shape: tuple[int, int, int]) -> SignalCNN:
    """MNIST-1D's convolutional network for images of `shape`, usually (1, 1, 40)."""
    return SignalCNN(classes=classes, channels=shape[0], length=shape[1] * shape[2])
