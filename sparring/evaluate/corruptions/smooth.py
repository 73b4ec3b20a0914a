"""Gaussian smoothing as two small matrices, so that every border rule is a way of filling them."""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian(x: Tensor, sigma: float | tuple[float, float], *, mirrored: bool = False, truncate: float = 4.0) -> Tensor:
    """`x` (…, H, W) smoothed, as scipy and scikit-image do it.

    sigma: in pixels, for both axes or (rows, columns); mirrored: beyond the border lies the mirrored image, not its
    last pixel; truncate: where the bell ends, in sigmas.
    """
    down, across = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    if down > 0:
        x = _matrix(x.shape[-2], down, mirrored, truncate).to(x) @ x
    if across > 0:
        x = x @ _matrix(x.shape[-1], across, mirrored, truncate).to(x).T
    return x


def _matrix(size: int, sigma: float, mirrored: bool, truncate: float) -> Tensor:
    """(size, size) float64: how much of each pixel goes into each."""
    reach = int(truncate * sigma + 0.5)
    taps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-(taps.double() ** 2) / (2 * sigma**2))
    seen = torch.arange(size)[:, None] + taps
    if mirrored:
        seen = seen % (2 * size)
        seen = torch.minimum(seen, 2 * size - 1 - seen)
    else:
        seen = seen.clamp(0, size - 1)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(
        1, seen, (weights / weights.sum()).expand(size, -1).contiguous()
    )
