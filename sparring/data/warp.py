"""Images shifted, rotated and sheared, each in its own way.

A warp is six numbers per image, (a, b, c, d, e, f): the pixel at (x, y), counted from the image's centre to the right
and downwards, shows what lay at (a·x + b·y + c, d·x + e·y + f). What comes from outside is black.
"""

from __future__ import annotations

from math import radians

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sparring.data.piece import Shape, as_float, uniform


def warped(x: Tensor, warps: Tensor, mode: str = "bilinear") -> Tensor:
    """Images (B, C, H, W), float or uint8, seen through `warps` (B, 6) as float32 in the units of `x`.

    mode: "bilinear" or "nearest".
    """
    height, width = x.shape[-2:]
    a, b, c, d, e, f = (number[:, None, None] for number in warps.unbind(1))
    right = _from_centre(width, x)[None, None, :]
    down = _from_centre(height, x)[None, :, None]
    # by hand: affine_grid multiplies matrices, whose bits may depend on the size of the batch
    grid = torch.stack([(a * right + b * down + c) * (2 / width), (d * right + e * down + f) * (2 / height)], dim=-1)
    return F.grid_sample(x.to(torch.float32), grid, mode=mode, padding_mode="zeros", align_corners=False)


def _from_centre(count: int, x: Tensor) -> Tensor:
    return torch.arange(count, device=x.device, dtype=torch.float32) - (count - 1) / 2


def placed(angle: Tensor, scale: Tensor, shear: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """The warps (B, 6) that shear images along their rows, turn them clockwise, enlarge and then move them.

    angle, shear: (B,) radians; scale: (B,), above 1 enlarges; right, down: (B,) pixels. As torchvision's `affine`.
    """
    cos, sin, lean = angle.cos() / scale, angle.sin() / scale, shear.tan()
    a, b, d, e = cos - lean * sin, sin + lean * cos, -sin, cos
    return torch.stack([a, b, -(a * right + b * down), d, e, -(d * right + e * down)], 1)


def draw_rotate(count: int, shape: Shape, generator: Generator) -> Tensor:
    """Warps (B, 6) that turn each image by an angle uniform within 15 degrees either way."""
    angle = (2 * uniform(count, 1, generator)[:, 0] - 1) * radians(15)
    still = torch.zeros_like(angle)
    return placed(angle, still + 1, still, still, still)


def draw_affine(count: int, shape: Shape, generator: Generator) -> Tensor:
    """Warps (B, 6), uniform: turned by ±30°, sheared by ±15°, 0.8 to 1.2 times as large, moved by ±0.2 of each side."""
    angle, shear, scale, right, down = (2 * uniform(count, 5, generator) - 1).unbind(1)
    right, down = right * (0.2 * shape[2]), down * (0.2 * shape[1])
    return placed(angle * radians(30), 1 + 0.2 * scale, shear * radians(15), right, down)


def warp(x: Tensor, warps: Tensor) -> Tensor:
    """Images (B, C, H, W) through `warps` (B, 6), bilinearly, as float32 in [0, 1]."""
    return warped(as_float(x), warps).clamp_(0, 1)


def draw_diagonal(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, 2) int64, where each window of `shift3` starts: 0 or 6 in rows and columns, that is 3 pixels off each way."""
    return 6 * torch.randint(0, 2, (count, 2), generator=generator, device=generator.device)


def draw_shift(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, 2) int64, where each window of `shift2` starts: 0 … 4 in rows and columns, that is -2 … 2 pixels off."""
    return torch.randint(0, 5, (count, 2), generator=generator, device=generator.device)


def shift3(x: Tensor, start: Tensor) -> Tensor:
    """Images (B, C, H, W) moved by three pixels both ways, on black."""
    return window(x, start, 3)


def shift2(x: Tensor, start: Tensor) -> Tensor:
    """Images (B, C, H, W) moved by up to two pixels each way, on black."""
    return window(x, start, 2)


def window(x: Tensor, start: Tensor, border: int) -> Tensor:
    """Each image (B, C, H, W) with a black `border` and cut to its old size from `start` (B, 2): rows, columns."""
    height, width = x.shape[-2:]
    windows = F.pad(x, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)  # views: (B, C, starts, starts, H, W)
    return windows[torch.arange(len(x), device=x.device), :, start[:, 0], start[:, 1]]
