"""Random changes of a whole batch at once, each image in its own way, on the device it lies on.

Every augmentation is two plain functions: ``draw`` asks a generator for one row of chance per image, ``apply`` is a
pure function of the images and those rows. So a process that holds a slice of the batch slices the draws and gets
the very bits that one process would have computed. Augmentations are combined by name, as in "crop+flip+rotate".
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sparring.core import UserError, did_you_mean
from sparring.data import policies, spoil, warp
from sparring.data.piece import Piece, Shape, as_float


def pieces(name: str, shape: Shape) -> tuple[Piece, ...]:
    """The changes that an augmentation's name asks for, in order; "none" asks for none.

    name: names from `names`, joined by "+". Raises UserError for one that is not there, and for images of `shape`
    (C, H, W) too small for one.
    """
    if name == "none":
        return ()
    side, parts = min(shape[1:]), name.split("+")
    for part in parts:
        if part not in _PIECES:
            hint = did_you_mean(part, ("none", *_PIECES, "default"))
            raise UserError(f"There is no augmentation {part!r}. {hint} Several are joined by +, as in crop+flip.")
        if side < _PIECES[part].least:
            fitting = [other for other, piece in _PIECES.items() if piece.least <= side]
            raise UserError(
                f"The augmentation {part!r} needs {_PIECES[part].least} pixels or more on each side, but the images "
                f"are {shape[1]}x{shape[2]}: choose augment=none, or of {', '.join(fitting)}."
            )
    return tuple(_PIECES[part] for part in parts)


def augmented(x: Tensor, changes: tuple[Piece, ...], drawn: tuple[Tensor, ...]) -> Tensor:
    """Images (B, C, H, W), uint8 or float in [0, 1], after `changes`, as contiguous float32 in [0, 1]."""
    for change, rows in zip(changes, drawn, strict=True):
        x = change.apply(x, rows)
    return as_float(x)


def padding(size: tuple[int, int]) -> int:
    """The border of black pixels added before a random crop: an eighth of the shorter side (4 for 32 pixels)."""
    return max(1, min(size) // 8)


def draw_crop(count: int, shape: Shape, generator: Generator) -> Tensor:
    """Where each crop starts in its padded image: (B, 2) int64 rows and columns in 0 … 2 · padding."""
    return torch.randint(0, 2 * padding(shape[1:]) + 1, (count, 2), generator=generator, device=generator.device)


def crop(x: Tensor, start: Tensor) -> Tensor:
    """Each image (B, C, H, W) padded with black and cut to its old size from `start` (B, 2)."""
    return warp.window(x, start, padding((x.shape[-2], x.shape[-1])))


def draw_flip(count: int, shape: Shape, generator: Generator) -> Tensor:
    """Which images are mirrored: (B,) bool, each with chance one half."""
    return torch.rand(count, generator=generator, device=generator.device) < 0.5


def flip(x: Tensor, which: Tensor) -> Tensor:
    """Images (B, C, H, W) with those of `which` (B,) mirrored left to right."""
    return torch.where(which.view(-1, 1, 1, 1), x.flip(-1), x)


def draw_cutout(count: int, shape: Shape, generator: Generator) -> Tensor:
    """The centre of each black square: (B, 2) int64 rows and columns."""
    rows, columns = torch.rand(2, count, generator=generator, device=generator.device)
    return torch.stack([rows * shape[1], columns * shape[2]], 1).long()


def cutout(x: Tensor, centre: Tensor) -> Tensor:
    """Images (B, C, H, W) with a black square of half their side around `centre` (B, 2), cut off at the border."""
    height, width = x.shape[-2:]
    half = min(height, width) // 4
    rows = torch.arange(height, device=x.device) - centre[:, :1]
    columns = torch.arange(width, device=x.device) - centre[:, 1:]
    inside = ((rows >= -half) & (rows < half))[:, :, None] & ((columns >= -half) & (columns < half))[:, None, :]
    return x.masked_fill(inside[:, None], 0)


def draw_box(count: int, shape: Shape, generator: Generator) -> Tensor:
    """The box each resized crop shows: (B, 4) float32 centre row, centre column, half height, half width in [-1, 1].

    Its area is uniform in 8 % … 100 % of the image and its aspect log-uniform in 3/4 … 4/3, as in torchvision; a side
    longer than the image is shortened to it (torchvision draws again instead).
    """
    chance = torch.rand(count, 4, generator=generator, device=generator.device)
    area = 0.08 + 0.92 * chance[:, 0]
    ratio = torch.exp((2 * chance[:, 1] - 1) * log(4 / 3))
    ratio = ratio * (shape[1] / shape[2])  # width over height is meant in pixels, the box in parts of each side
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
    "crop": Piece("padded with black by an eighth of the shorter side, cut back to the old size", draw_crop, crop),
    "flip": Piece("mirrored left to right, one image in two", draw_flip, flip, least=1),
    "cutout": Piece("a black square of half the side, anywhere", draw_cutout, cutout),
    "resized-crop": Piece("8 % to 100 % of the area, at aspect 3/4 to 4/3, enlarged", draw_box, resized_crop),
    "rotate": Piece(
        "turned by up to 15 degrees; crop+flip+rotate is HARD's standard for CIFAR", warp.draw_rotate, warp.warp
    ),
    "affine": Piece(
        "HARD's random affine: turned by up to 30 degrees, sheared by 15, 0.8 to 1.2 times as large, moved by 0.2",
        warp.draw_affine,
        warp.warp,
    ),
    "shift3": Piece(
        "HARD's MNIST-C shifts, literal: 3 pixels in rows and in columns, each way by chance",
        warp.draw_diagonal,
        warp.shift3,
        least=4,
    ),
    "shift2": Piece(
        "HARD's MNIST-C shifts, uniform2: -2 to 2 pixels in rows and in columns", warp.draw_shift, warp.shift2, least=3
    ),
    "noise": Piece(
        f"Gaussian noise, standard deviation {spoil.SIGMA} of white", spoil.draw_noise, spoil.noise, least=1
    ),
    "erase": Piece(
        f"random erasing: a black box of 2 % to 33 % of the area, {spoil.CHANCE:.0%} of the images",
        spoil.draw_erase,
        spoil.erase,
    ),
    "trivial": Piece(
        "TrivialAugmentWide: one of 14 operations and one of 31 strengths", policies.draw_trivial, policies.trivial
    ),
    "auto": Piece(
        "AutoAugment's policy for CIFAR-10: one of 25 pairs of operations; crop+flip+auto+cutout is DiSK's",
        policies.draw_auto,
        policies.auto,
    ),
    "augmix": Piece(
        "AugMix: three chains of one to three operations, severity 3, mixed with the image (without its JSD loss)",
        policies.draw_augmix,
        policies.augmix,
    ),
}


def names() -> Mapping[str, str]:
    """The augmentations by name, each with one line about it; + joins several."""
    return {"none": "nothing is changed", **{name: piece.about for name, piece in _PIECES.items()}}
