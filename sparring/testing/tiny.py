"""Small things to try a method on: a network with every kind of state, and a few labelled images."""

from __future__ import annotations

import torch
from torch import nn

from sparring.core import Batch, Network, Setting

SHAPE, CLASSES = (3, 8, 8), 5


def tiny_net(seed: int = 0, *, width: int = 6) -> Network:
    """A convolution, BatchNorm, dropout and a linear layer for images (3, 8, 8) and 5 classes, with weights by seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(4 * width, CLASSES),
        )
    return Network(body, mean=(0.5,) * 3, std=(0.25,) * 3, taps={"features": "4"})


def tiny_tapped(seed: int = 0, *, widths: tuple[int, int] = (3, 4)) -> Network:
    """Two stages of a convolution and BatchNorm, the mean over the map and a linear layer, with weights by seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        first, last = widths
        body = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, first, 3, stride=2, padding=1), nn.BatchNorm2d(first), nn.ReLU()),
            nn.Sequential(nn.Conv2d(first, last, 3, stride=2, padding=1), nn.BatchNorm2d(last), nn.ReLU()),
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            nn.Linear(last, CLASSES),
        )
    taps = {"stage1": "0", "stage2": "1", "map": "1", "features": "2"}
    return Network(body, mean=(0.5,) * 3, std=(0.25,) * 3, taps=taps)


def tiny_batches(count: int = 6, *, size: int = 8, seed: int = 0) -> list[Batch]:
    """`count` batches of `size` random images."""
    chance = torch.Generator().manual_seed(seed)
    rows = torch.arange(count * size).split(size)
    return [
        Batch(
            torch.rand(size, *SHAPE, generator=chance), torch.randint(CLASSES, (size,), generator=chance), index.clone()
        )
        for index in rows
    ]


def tiny_setting(teacher: Network | None, student: Network | None = None) -> Setting:
    """What a part would be told about these images."""
    return Setting(CLASSES, SHAPE, (0.5,) * 3, (0.25,) * 3, teacher, student, 8)
