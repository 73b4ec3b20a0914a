"""What a random change of a batch is, and the pixels it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """One random change: how its chance is drawn, and how it is applied.

    about: one line for a list.
    draw: (B, (C, H, W), generator) → tensor (B, ...) on the generator's device. Whatever is no plain arithmetic (sines,
    logarithms) belongs here: its last bits may depend on how many are computed at once, and everyone draws for the
    whole batch.
    apply: (images (B, C, H, W) uint8 or float in [0, 1], drawn (B, ...)) → images (B, C, H, W).
    least: the fewest pixels a side may have for it to make sense.
    """

    about: str
    draw: Callable[[int, Shape, Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    least: int = 2


def as_float(x: Tensor) -> Tensor:
    """uint8 pixels as float32 pixel / 255; float pixels as they are."""
    return x if x.is_floating_point() else x.to(torch.float32).div_(255)


def as_bytes(x: Tensor) -> Tensor:
    """Float pixels in [0, 1] as the nearest of 256 levels, uint8; uint8 pixels as they are."""
    return x.mul(255).round_().to(torch.uint8) if x.is_floating_point() else x


def uniform(count: int, columns: int, generator: Generator) -> Tensor:
    """(count, columns) float32 on the generator's device, uniform in [0, 1)."""
    return torch.rand(count, columns, generator=generator, device=generator.device)
