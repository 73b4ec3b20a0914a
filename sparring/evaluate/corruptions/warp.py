"""Images moved, turned, sheared, scaled and kneaded."""

from __future__ import annotations

from math import cos, sin

import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.core import UserError
from sparring.evaluate.corruptions.chance import Chance
from sparring.evaluate.corruptions.smooth import gaussian

SHIFTS = (1, 2, 3, 4, 5)  # MNIST-C's translate: pixels along both axes, by severity


def translate(x: Tensor, severity: int = 3, *, rows: Tensor) -> Tensor:
    """MNIST-C's translate: each image moved by `severity` pixels along both axes, into one of four diagonal directions.

    x: (B, C, H, W); rows: (B,) int64, each image's row in its data set, from which and from the severity alone its
    direction follows: every student meets the same images. What is uncovered is black. Raises UserError for a severity
    out of 1 … 5.
    """
    if severity not in range(1, 6):
        raise UserError(f"translate has no severity {severity}: choose 1, 2, 3, 4 or 5.")
    return shifted(x, Chance.of(rows, "translate", severity, x.device), SHIFTS[severity - 1])


def shifted(x: Tensor, chance: Chance, pixels: int) -> Tensor:
    """Each image moved by ±pixels along both axes, the signs drawn one by one; black where nothing comes from."""
    columns, rows = (chance.signs(2).long() * pixels).unbind(1)
    height, width = x.shape[-2:]
    padded = F.pad(x, (pixels,) * 4)
    down = torch.arange(height, device=x.device) + pixels + rows[:, None]
    across = torch.arange(width, device=x.device) + pixels + columns[:, None]
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return padded[image, :, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2).contiguous()


def shear(x: Tensor, chance: Chance, angle: float) -> Tensor:
    """Sheared about the middle by ±angle radians."""
    sign = chance.signs()
    one = torch.ones_like(sign)
    return _turned(x, torch.stack([one, -sin(angle) * sign, 0 * one, cos(angle) * one], 1))


def rotate(x: Tensor, chance: Chance, angle: float) -> Tensor:
    """Turned about the middle by ±angle radians."""
    sign = chance.signs()
    even, odd = cos(angle) * torch.ones_like(sign), sin(angle) * sign
    return _turned(x, torch.stack([even, -odd, odd, even], 1))


def scale(x: Tensor, chance: Chance, size: float) -> Tensor:
    """Made smaller about the middle, to `size` times its sides."""
    return _turned(x, torch.tensor([1 / size, 0, 0, 1 / size], device=x.device).expand(len(x), 4))


def _turned(x: Tensor, matrix: Tensor) -> Tensor:
    """What `x` (B, C, H, W) shows where `matrix` (B, 4), about the middle, leads from each pixel; black outside."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device) - (height - 1) / 2
    columns = torch.arange(width, device=x.device) - (width - 1) / 2
    a, b, c, d = matrix[:, :, None, None].unbind(1)
    return sampled(
        x,
        a * columns + b * rows[:, None] + (width - 1) / 2,
        c * columns + d * rows[:, None] + (height - 1) / 2,
        beyond="zeros",
        corners=True,
    ).clamp(0, 1)


def sampled(x: Tensor, columns: Tensor, rows: Tensor, *, beyond: str, corners: bool) -> Tensor:
    """`x` (B, C, H, W) read bilinearly at `columns`, `rows` (B, H, W), in pixels; beyond, corners: as grid_sample's."""
    height, width = x.shape[-2:]
    places = []
    for at, side in ((columns, width), (rows, height)):
        places.append(2 * at / max(side - 1, 1) - 1 if corners else (2 * at + 1) / side - 1)
    return F.grid_sample(x, torch.stack(places, -1).to(x), padding_mode=beyond, align_corners=corners)


def elastic_transform(x: Tensor, chance: Chance, far: float, sigma: float, stretch: float) -> Tensor:
    """A random affine map that moves three points by up to `stretch` pixels, then a smooth field of displacements:
    noise in ±1, smoothed by `sigma`, times `far`."""
    height, width = x.shape[-2:]
    middle = torch.tensor([height // 2, width // 2], dtype=torch.float32, device=x.device)
    third = min(height, width) // 3
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], device=x.device)
    before = (middle + third * corners).expand(len(x), 3, 2)
    after = before + chance.uniform(3, 2, low=-stretch, high=stretch)
    one = torch.ones(len(x), 3, 1, device=x.device)
    back = torch.linalg.solve(torch.cat([after, one], 2).double(), before.double()).to(x)  # (B, 3, 2): after → before
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    u, v = (back[:, :, at, None, None].unbind(1) for at in (0, 1))
    placed = [a * columns + b * rows[:, None] + c for a, b, c in (u, v)]
    x = sampled(x, placed[0], placed[1], beyond="reflection", corners=True)
    field = chance.uniform(2, height, width, low=-1.0, high=1.0)
    field = far * gaussian(field, sigma, mirrored=True, truncate=3.0)
    moved = sampled(x, columns + field[:, 0], rows[:, None] + field[:, 1], beyond="reflection", corners=False)
    return moved.clamp(0, 1)
