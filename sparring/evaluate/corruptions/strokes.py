"""Lines drawn over a digit, and its outline: MNIST-C's own, for grey images."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.evaluate.corruptions import extra
from sparring.evaluate.corruptions.chance import Chance

_REACH = 2.3  # a line's ink ends this many pixels away from its middle
_ZIG = 2.0  # half the length of a zigzag's tooth, and its height


def dotted_line(x: Tensor, chance: Chance) -> Tensor:
    """A straight line from the left border to the right, two columns drawn and two not."""
    height, width = x.shape[-2:]
    left, right = chance.whole(0, height - 1, 2).to(x).unbind(1)
    zero = torch.zeros_like(left)
    drawn = torch.arange(width, device=x.device) // 2 % 2 == 1
    return (x + _line(x, zero, left, zero + width - 1, right) * drawn).clamp(0, 1)


def zigzag(x: Tensor, chance: Chance) -> Tensor:
    """A saw-tooth from near the left border to near the right."""
    height, width = x.shape[-2:]
    start, length = 2.0, float(width - 5)
    first = chance.whole(0, height - 1).to(x)
    angle = (chance.whole(-5, 5).to(x) / length).atan()
    whole = length / angle.cos()
    along, aside = [torch.zeros_like(angle)], [torch.zeros_like(angle)]
    teeth = int((length - _ZIG) // (2 * _ZIG)) + 1
    for tooth in range(teeth):
        along.append(torch.full_like(angle, (2 * tooth + 1) * _ZIG))
        aside.append(torch.full_like(angle, _ZIG * (-1) ** tooth))
    rest = (whole - 2 * _ZIG * (whole // (2 * _ZIG))).clamp(min=1e-3)
    along.append(whole)
    aside.append(aside[-1] / (2 * rest))
    a, s = torch.stack(along), torch.stack(aside)  # (points, B)
    columns, rows = angle.cos() * a - angle.sin() * s + start, angle.sin() * a + angle.cos() * s + first
    for at in range(1, len(columns)):
        x = (x + _line(x, columns[at - 1], rows[at - 1], columns[at], rows[at])).clamp(0, 1)
    return x


def canny_edges(x: Tensor, chance: Chance) -> Tensor:
    """Canny's edges in white on black. Raises UserError where scikit-image is missing."""
    return extra.edges(x)


def _line(x: Tensor, c0: Tensor, r0: Tensor, c1: Tensor, r1: Tensor) -> Tensor:
    """The ink (B, 1, H, W) of lines from (column, row) c0, r0 to c1, r1 (B,); none for upright ones."""
    height, width = x.shape[-2:]
    columns, rows = torch.arange(width, device=x.device), torch.arange(height, device=x.device)[:, None]
    c0, r0, c1, r1 = (each[:, None, None] for each in (c0, r0, c1, r1))
    upright = c1 == c0
    middle = (r1 - r0) / torch.where(upright, 1.0, c1 - c0) * (columns - c0) + r0
    away = (rows - middle).abs().clamp(max=_REACH - 1e-6)
    ink = ((1 - away / _REACH).log() + 1).clamp(0, 1)
    inside = (columns >= c0.floor()) & (columns < c1.ceil()) & ~upright
    return (ink * inside)[:, None]
