"""What becomes of the light, the colours and the coding of an image."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring.evaluate.corruptions.chance import Chance


def brightness(x: Tensor, chance: Chance, more: float) -> Tensor:
    """The brightest channel of each pixel is raised by `more`, hue and saturation kept."""
    value = x.amax(1, keepdim=True)
    raised = (value + more).clamp(0, 1)
    return torch.where(value > 0, x * raised / value.clamp(min=1e-12), raised).clamp(0, 1)


def contrast(x: Tensor, chance: Chance, share: float) -> Tensor:
    """Each channel keeps this share of its distance to its mean."""
    mean = x.mean((2, 3), keepdim=True)
    return ((x - mean) * share + mean).clamp(0, 1)


def saturate(x: Tensor, chance: Chance, times: float, plus: float) -> Tensor:
    """The saturation of each pixel (B, 3, H, W) is multiplied and raised; a grey one's hue is red, as in HSV."""
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    before = (value - least) / value.clamp(min=1e-12)
    after = (before * times + plus).clamp(0, 1)
    coloured = value - (value - x) * after / before.clamp(min=1e-12)
    reddish = value * torch.cat([torch.ones_like(after), 1 - after, 1 - after], 1)
    return torch.where(before > 0, coloured, reddish).clamp(0, 1)


def stripe(x: Tensor, chance: Chance) -> Tensor:
    """The left and the right quarter in negative."""
    column = torch.arange(x.shape[-1], device=x.device)
    quarter = x.shape[-1] // 4
    return torch.where((column < quarter) | (column >= 3 * quarter), 1 - x, x)


def jpeg_compression(x: Tensor, chance: Chance, quality: int) -> Tensor:
    """Written as JPEG of this quality, and read again."""

    def written(picture: Image.Image) -> Image.Image:
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return pictures(x, written)


def pixelate(x: Tensor, chance: Chance, share: float) -> Tensor:
    """Made smaller to this share of its sides, and large again, by boxes."""
    height, width = x.shape[-2:]
    small = max(1, int(width * share)), max(1, int(height * share))
    return pictures(x, lambda p: p.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BOX))


def pictures(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """`x` (B, 1 or 3, H, W) with `change` done to each image as an 8-bit picture."""
    seen = eight_bits(x)
    flat = [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in seen]
    done = np.stack([np.asarray(change(picture)).reshape(seen.shape[1:]) for picture in flat])
    return torch.from_numpy(done).permute(0, 3, 1, 2).to(x) / 255


def eight_bits(x: Tensor) -> np.ndarray:
    """`x` (B, C, H, W) as (B, H, W, C) uint8."""
    return (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
