"""Images with noise on them, or with a part erased."""

from __future__ import annotations

from math import log

import torch
from torch import Generator, Tensor

from sparring.data.piece import Shape, as_float

SIGMA = 0.1  # of the noise, in pixels of [0, 1]
CHANCE = 0.1  # that an image is erased in part
_TRIES = 10  # boxes drawn for each image, as in torchvision


def draw_noise(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, C, H, W) float32, normal with standard deviation `SIGMA`."""
    return torch.randn(count, *shape, generator=generator, device=generator.device).mul_(SIGMA)


def noise(x: Tensor, added: Tensor) -> Tensor:
    """Images (B, C, H, W) plus `added`, cut off at black and white; float32 in [0, 1]."""
    return (as_float(x) + added).clamp_(0, 1)


def draw_erase(count: int, shape: Shape, generator: Generator) -> Tensor:
    """The black box of each image: (B, 4) int64 top row, left column, height, width; nothing is erased at height 0.

    As in torchvision's RandomErasing: area uniform in 2 % … 33 % of the image, aspect log-uniform in 0.3 … 3.3, the
    first of ten boxes that is smaller than the image, anywhere in it; with chance `CHANCE`.
    """
    height, width = shape[1:]
    chance = torch.rand(count, _TRIES, 4, generator=generator, device=generator.device)
    area = (0.02 + 0.31 * chance[..., 0]) * (height * width)
    aspect = torch.exp(log(0.3) + log(3.3 / 0.3) * chance[..., 1])
    tall, wide = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (tall < height) & (wide < width)
    top = (chance[..., 2] * (height - tall + 1)).floor()
    left = (chance[..., 3] * (width - wide + 1)).floor()
    first = fits.int().argmax(1)[:, None, None].expand(-1, 1, 4)
    box = torch.stack([top, left, tall, wide], -1).gather(1, first)[:, 0]
    chosen = fits.any(1) & (torch.rand(count, generator=generator, device=generator.device) < CHANCE)
    return (box * chosen[:, None]).long()


def erase(x: Tensor, box: Tensor) -> Tensor:
    """Images (B, C, H, W) with their `box` (B, 4) black."""
    top, left, tall, wide = box.T[:, :, None]
    rows = torch.arange(x.shape[-2], device=x.device)
    columns = torch.arange(x.shape[-1], device=x.device)
    inside = ((rows >= top) & (rows < top + tall))[:, :, None] & ((columns >= left) & (columns < left + wide))[:, None]
    return x.masked_fill(inside[:, None], 0)
