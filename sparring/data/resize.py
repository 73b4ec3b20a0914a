"""Bringing decoded images to one size."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps


def resized(images: np.ndarray, size: int | None) -> np.ndarray:
    """uint8 images (N, C, H, W) as (N, C, size, size): shorter side scaled, then centre cut; untouched for None."""
    if size is None or images.shape[2:] == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
    for image, place in zip(images, out, strict=True):
        for plane, target in zip(image, place, strict=True):
            target[:] = ImageOps.fit(Image.fromarray(plane), (size, size), Image.Resampling.BILINEAR)
    return out
