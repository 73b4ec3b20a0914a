"""Random crops, flips and erasures of a whole batch at once, on the device it lies on.

Every augmentation is two plain functions: ``draw`` asks a generator for one row of chance per image, ``apply`` is a
pure function of the images and those rows. So a process that holds a slice of the batch slices the draws and gets
the very bits that one process would have computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sparring.core import UserError, did_you_mean

NAMES = ("none", "flip", "crop", "crop+flip", "crop+flip+cutout", "resized-crop", "resized-crop+flip")


@dataclass(frozen=True, slots=True)
class Piece:
    """One random change: how its chance is drawn, and how it is applied.

    draw: (B, (H, W), generator) → tensor (B, ...) on the generator's device.
    apply: (images (B, C, H, W) uint8 or float in [0, 1], drawn (B, ...)) → images (B, C, H, W).
    """

    draw: Callable[[int, tuple[int, int], Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]


def pieces(name: str) -> tuple[Piece, ...]:
    """The changes that an augmentation's name asks for, in order; "none" asks for none.

    Raises UserError for a name that is not in `NAMES`.
    """
    if name not in NAMES:
        raise UserError(f"There is no augmentation {name!r}. {did_you_mean(name, (*NAMES, 'default'))}")
    return tuple(_PIECES[part] for part in name.split("+") if part != "none")


def augmented(x: Tensor, changes: tuple[Piece, ...], drawn: tuple[Tensor, ...]) -> Tensor:
    """uint8 images (B, C, H, W) after `changes`, as contiguous float32 in [0, 1]."""
    for change, rows in zip(changes, drawn, strict=True):
        x = change.apply(x, rows)
    return as_float(x)


def as_float(x: Tensor) -> Tensor:
    """uint8 pixels as float32 pixel / 255; float pixels as they are."""
    return x if x.is_floating_point() else x.to(torch.float32).div_(255)


def padding(size: tuple[int, int]) -> int:
    """The border of black pixels added before a random crop: an eighth of the shorter side (4 for 32 pixels)."""
    return max(1, min(size) // 8)


def draw_crop(count: int, size: tuple[int, int], generator: Generator) -> Tensor:
    """Where each crop starts in its padded image: (B, 2) int64 rows and columns in 0 … 2 · padding."""
    return torch.randint(0, 2 * padding(size) + 1, (count, 2), generator=generator, device=generator.device)


def crop(x: Tensor, start: Tensor) -> Tensor:
    """Each image (B, C, H, W) padded with black and cut to its old size from `start` (B, 2)."""
    height, width = x.shape[-2:]
    border = padding((height, width))
    windows = F.pad(x, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)  # views: (B, C, starts, starts, H, W)
    return windows[torch.arange(len(x), device=x.device), :, start[:, 0], start[:, 1]]


def draw_flip(count: int, size: tuple[int, int], generator: Generator) -> Tensor:
    """Which images are mirrored: (B,) bool, each with chance one half."""
    return torch.rand(count, generator=generator, device=generator.device) < 0.5


def flip(x: Tensor, which: Tensor) -> Tensor:
    """Images (B, C, H, W) with those of `which` (B,) mirrored left to right."""
    return torch.where(which.view(-1, 1, 1, 1), x.flip(-1), x)


def draw_cutout(count: int, size: tuple[int, int], generator: Generator) -> Tensor:
    """The centre of each black square: (B, 2) int64 rows and columns."""
    rows, columns = torch.rand(2, count, generator=generator, device=generator.device)
    return torch.stack([rows * size[0], columns * size[1]], 1).long()


def cutout(x: Tensor, centre: Tensor) -> Tensor:
    """Images (B, C, H, W) with a black square of half their side around `centre` (B, 2), cut off at the border."""
    height, width = x.shape[-2:]
    half = min(height, width) // 4
    rows = torch.arange(height, device=x.device) - centre[:, :1]
    columns = torch.arange(width, device=x.device) - centre[:, 1:]
    inside = ((rows >= -half) & (rows < half))[:, :, None] & ((columns >= -half) & (columns < half))[:, None, :]
    return x.masked_fill(inside[:, None], 0)


def draw_box(count: int, size: tuple[int, int], generator: Generator) -> Tensor:
    """The box each resized crop shows: (B, 4) float32 centre row, centre column, half height, half width in [-1, 1].

    Its area is uniform in 8 % … 100 % of the image and its aspect log-uniform in 3/4 … 4/3, as in torchvision; a side
    longer than the image is shortened to it (torchvision draws again instead).
    """
    chance = torch.rand(count, 4, generator=generator, device=generator.device)
    area = 0.08 + 0.92 * chance[:, 0]
    ratio = torch.exp((2 * chance[:, 1] - 1) * log(4 / 3))
    ratio = ratio * (size[0] / size[1])  # width over height is meant in pixels, the box in parts of each side
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], 1).clamp_(max=1)
    return torch.cat([(2 * chance[:, 2:] - 1) * (1 - sides), sides], 1)


def resized_crop(x: Tensor, box: Tensor) -> Tensor:
    """Each image (B, C, H, W) cut to its `box` (B, 4) and enlarged to its old size, bilinearly; float32 in [0, 1]."""
    height, width = x.shape[-2:]
    rows = _pixel_centres(height, x) * box[:, 2:3] + box[:, 0:1]
    columns = _pixel_centres(width, x) * box[:, 3:4] + box[:, 1:2]
    grid = torch.stack(
        [columns[:, None, :].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)], dim=-1
    )  # by hand: affine_grid multiplies matrices, whose bits may depend on the size of the batch
    seen = F.grid_sample(as_float(x), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.clamp_(0, 1)


def _pixel_centres(count: int, x: Tensor) -> Tensor:
    return (torch.arange(count, device=x.device, dtype=torch.float32) * 2 + 1) / count - 1


_PIECES = {
    "crop": Piece(draw_crop, crop),
    "flip": Piece(draw_flip, flip),
    "cutout": Piece(draw_cutout, cutout),
    "resized-crop": Piece(draw_box, resized_crop),
}
