"""The operations of augmentation policies on 8-bit images, each image with an operation and a strength of its own.

Three passes do all of them for a whole batch: a table of new values per image and channel, a blend with a grey or a
smoothed image, and a warp. What a pass does not change, it leaves bit for bit; no pass waits for the device to learn
which image wants what, and on the CPU, which waits for nothing, a pass is made of those alone that want it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.data.warp import warped

OPERATIONS = (
    "identity", "shear-x", "shear-y", "translate-x", "translate-y", "rotate", "brightness", "colour", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize", "invert",
)  # fmt: skip
TABLES = ("brightness", "contrast", "posterize", "solarize", "autocontrast", "equalize", "invert")
BLENDS = ("colour", "sharpness")
WARPS = ("shear-x", "shear-y", "translate-x", "translate-y", "rotate")
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}


def operated(x: Tensor, which: Tensor, strength: Tensor, warps: Tensor, mode: str, fill: int = 0) -> Tensor:
    """Images (N, C, H, W) uint8 after one operation each.

    which: (N,) numbers in `OPERATIONS`; strength: (N,): the factor of brightness, colour, contrast and sharpness, the
    bits that posterize keeps, solarize's threshold; warps: (N, 6), as in `warp`, for the operations that move pixels;
    mode: how these sample, "nearest" or "bilinear"; fill: the level of what they bring in from outside.
    """
    x = _changed(x, _among(which, TABLES), lambda x, rows: looked_up(x, which[rows], strength[rows]))
    x = _changed(x, _among(which, BLENDS), lambda x, rows: blended(x, which[rows], strength[rows]))
    moved = _among(which, WARPS)
    return _changed(x, moved, lambda x, rows: filled(x, warps[rows], mode, fill))


def _among(which: Tensor, names: tuple[str, ...]) -> Tensor:
    """Which images have one of these operations, (N,) bool."""
    return sum((which == NUMBER[name] for name in names), start=torch.zeros_like(which, dtype=torch.bool))


def _changed(x: Tensor, wanted: Tensor, change: Callable[[Tensor, Tensor | slice], Tensor]) -> Tensor:
    """Images after a pass: on the CPU only those that want it, elsewhere all, for to ask which would wait."""
    if x.device.type != "cpu":
        return change(x, slice(None))
    rows, out = wanted.nonzero()[:, 0], x.clone()
    if len(rows):
        out[rows] = change(x[rows], rows)
    return out


def filled(x: Tensor, warps: Tensor, mode: str, fill: int) -> Tensor:
    """Images (N, C, H, W) uint8 seen through warps (N, 6), with the level `fill` around them."""
    return (warped(x.float() - fill, warps, mode) + fill).round_().to(torch.uint8)


def looked_up(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """The operations on single values, as a table of 256 per image and channel."""
    count, channels = x.shape[:2]
    values = x.flatten(2).long()
    counts = torch.zeros(count, channels, 256, dtype=torch.int64, device=x.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    level = torch.arange(256, device=x.device).expand(count, channels, 256)
    strength, kind = strength[:, None, None], which[:, None, None]
    table = level
    for name, new in {
        "brightness": _stretched(level, torch.zeros_like(strength), strength),
        "contrast": _stretched(level, _mean(x)[:, None, None], strength),
        "posterize": _posterized(level, strength),
        "solarize": torch.where(level >= strength, 255 - level, level),
        "autocontrast": _autocontrast(level, counts),
        "equalize": _equalized(level, counts),
        "invert": 255 - level,
    }.items():
        table = torch.where(kind == NUMBER[name], new, table)
    return table.gather(2, values).to(torch.uint8).view_as(x)


def blended(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Colour and sharpness: away from (or towards) the grey and the smoothed image, by a factor."""
    kind = which[:, None, None, None]
    colour, sharp = kind == NUMBER["colour"], kind == NUMBER["sharpness"]
    dull = torch.where(sharp, _smoothed(x), torch.where(colour, grey(x), x))
    return _stretched(x.int(), dull.float(), strength[:, None, None, None]).to(torch.uint8)


def grey(x: Tensor) -> Tensor:
    """Colour images (N, 3, H, W) uint8 as grey ones (N, 1, H, W) by Pillow's whole numbers; others as they are."""
    if x.shape[1] != 3:
        return x
    red, green, blue = x.int().split(1, 1)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).to(torch.uint8)


def _mean(x: Tensor) -> Tensor:
    """The mean grey of each image, (N,); summed in whole numbers, whose sum has no order."""
    levels = grey(x).flatten(1)
    return levels.long().sum(1) / levels.shape[1]


def _stretched(level: Tensor, base: Tensor, factor: Tensor) -> Tensor:
    """base + factor · (level − base), cut off to 0 … 255 and down to whole numbers, int64."""
    return (base + factor * (level - base)).clamp_(0, 255).long()


def _posterized(level: Tensor, bits: Tensor) -> Tensor:
    dropped = 8 - bits.long().clamp(0, 8)
    return (level >> dropped) << dropped


def _autocontrast(level: Tensor, counts: Tensor) -> Tensor:
    seen = counts > 0
    low = torch.where(seen, level, 255).amin(2, keepdim=True)
    high = torch.where(seen, level, 0).amax(2, keepdim=True)
    spread = (level - low) * 255 // (high - low).clamp(min=1)
    return torch.where(high > low, spread.clamp(0, 255), level)


def _equalized(level: Tensor, counts: Tensor) -> Tensor:
    """Pillow's equalisation: the last level that is there does not count for the step."""
    last = torch.where(counts > 0, level, 0).amax(2, keepdim=True)
    step = (counts.sum(2, keepdim=True) - counts.gather(2, last)) // 255
    below = counts.cumsum(2) - counts
    return torch.where(step > 0, ((below + step // 2) // step.clamp(min=1)).clamp(0, 255), level)


def _smoothed(x: Tensor) -> Tensor:
    """The mean of each pixel's neighbours, itself five times as heavy, rounded; the border as it is."""
    height, width = x.shape[-2:]
    if min(height, width) < 3:
        return x
    total = 4 * x[..., 1:-1, 1:-1].int()
    for down in range(3):
        for right in range(3):
            total += x[..., down : height - 2 + down, right : width - 2 + right]
    inner = ((2 * total + 13) // 26).to(torch.uint8)
    inside = torch.zeros(height, width, dtype=torch.bool, device=x.device)
    inside[1:-1, 1:-1] = True
    return torch.where(inside, F.pad(inner, (1, 1, 1, 1)), x)
