"""Blurs of a lens, a moving camera, frosted glass and a zoom."""

from __future__ import annotations

from math import ceil, exp

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.evaluate.corruptions.chance import Chance
from sparring.evaluate.corruptions.smooth import gaussian


def gaussian_blur(x: Tensor, chance: Chance, sigma: float) -> Tensor:
    """Smoothed by `sigma` pixels."""
    return gaussian(x, sigma)


def glass_blur(x: Tensor, chance: Chance, sigma: float, reach: int, rounds: int) -> Tensor:
    """Smoothed, each pixel put in a near one's place, `rounds` times over, and smoothed again.

    Two traits of the code that made the published files are kept, since they make what is measured: in colour a pixel
    is overwritten by its neighbour (the swap of two numpy views is none), and grey images are smoothed down their
    columns alone (their columns are taken for channels) and swap with chance one half.
    """
    grey = x.shape[1] == 1
    sigmas = (sigma, 0.0 if grey else sigma)
    x = (gaussian(x, sigmas) * 255).floor()
    height, width = x.shape[-2:]
    image = torch.arange(len(x), device=x.device)
    for _ in range(rounds):
        steps = chance.whole(-reach, reach, 2, height, width)
        moved = chance.whole(0, 2, height, width).bool() if grey else torch.ones_like(steps[:, 0], dtype=torch.bool)
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                other = row + steps[:, 1, row, column], column + steps[:, 0, row, column]
                which = moved[:, row, column, None]
                mine, theirs = x[:, :, row, column].clone(), x[image, :, other[0], other[1]]
                x[:, :, row, column] = torch.where(which, theirs, mine)
                if grey:
                    x[image, :, other[0], other[1]] = torch.where(which, mine, theirs)
    return gaussian(x / 255, sigmas).clamp(0, 1)


def defocus_blur(x: Tensor, chance: Chance, radius: float, soft: float) -> Tensor:
    """Every point becomes a disk of `radius` pixels, whose edge is smoothed by `soft`."""
    reach, around = (8, 1) if radius <= 8 else (ceil(radius), 2)
    far = torch.arange(-reach, reach + 1.0)
    disk = (far[:, None] ** 2 + far**2 <= radius**2).float()
    bell = torch.tensor([exp(-(step**2) / (2 * soft**2)) for step in range(-around, around + 1)])
    bell = torch.outer(bell, bell) / bell.sum() ** 2
    disk = F.conv2d(F.pad((disk / disk.sum())[None, None], (around,) * 4, mode="reflect"), bell[None, None])
    planes = F.pad(x, _within(reach, x), mode="reflect").flatten(0, 1)[:, None]
    seen = F.conv2d(planes, _cut(disk, reach, x).to(x))
    return seen.view_as(x).clamp(0, 1)


def motion_blur(x: Tensor, chance: Chance, radius: float, sigma: float) -> Tensor:
    """The camera moves during the picture, in a direction within 45 degrees of level."""
    return dragged(x, chance.uniform(low=-45.0, high=45.0), radius, sigma)


def dragged(x: Tensor, angle: Tensor, radius: float, sigma: float) -> Tensor:
    """`x` (B, C, H, W) drawn out along `angle` (B,) degrees: half a bell, in whole pixels, as ImageMagick does it.

    What lies beyond the border is the border's pixel; the answer is in steps of 1/255.
    """
    height, width = x.shape[-2:]
    taps = torch.arange(2 * ceil(radius) + 1, device=x.device, dtype=torch.float32)
    weights = torch.exp(-(taps**2) / (2 * sigma**2))
    turned = torch.deg2rad(angle)[:, None]
    right, down = ((taps * way - 0.5).ceil().long() for way in (turned.cos(), turned.sin()))  # (B, taps)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    seen = torch.zeros_like(x)
    for at, weight in enumerate((weights / weights.sum()).tolist()):
        here = (rows + down[:, at, None]).clamp(0, height - 1), (columns + right[:, at, None]).clamp(0, width - 1)
        seen = seen + weight * x[image, :, here[0][:, :, None], here[1][:, None, :]].permute(0, 3, 1, 2)
    return (seen * 255).round() / 255


def zoom_blur(x: Tensor, chance: Chance, end: float, step: float) -> Tensor:
    """The mean of the image and of its enlargements from 1 to below `end`, in steps."""
    factors = np.arange(1, end, step)
    seen = x
    for factor in factors.tolist():
        seen = seen + enlarged(x, factor)
    return (seen / (len(factors) + 1)).clamp(0, 1)


def enlarged(x: Tensor, factor: float) -> Tensor:
    """The middle of `x` (B, C, H, W), `factor` times as large, at the old size."""
    sides = x.shape[-2:]
    inner = [ceil(side / factor) for side in sides]
    top, left = ((side - part) // 2 for side, part in zip(sides, inner, strict=True))
    larger = [round(part * factor) for part in inner]
    grown = F.interpolate(
        x[..., top : top + inner[0], left : left + inner[1]], size=larger, mode="bilinear", align_corners=True
    )
    top, left = ((part - side) // 2 for side, part in zip(sides, larger, strict=True))
    return grown[..., top : top + sides[0], left : left + sides[1]]


def _within(reach: int, x: Tensor) -> tuple[int, int, int, int]:
    """The padding for a kernel of `reach`, which cannot mirror more than the image has."""
    down, across = (min(reach, side - 1) for side in x.shape[-2:])
    return across, across, down, down


def _cut(kernel: Tensor, reach: int, x: Tensor) -> Tensor:
    """The part of a (1, 1, K, K) kernel that the padding leaves room for."""
    across, _, down, _ = _within(reach, x)
    return kernel[..., reach - down : reach + down + 1, reach - across : reach + across + 1]
