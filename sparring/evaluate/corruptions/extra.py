"""What three corruptions need of packages that are not always there: edges, drops of water, photographs of ice."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sparring.core import UserError

PACKAGE = "corrupt_tta"  # for its photographs of ice; it brings OpenCV and scikit-image
INSTALL = "pip install 'sparring[corruptions]'"
_TURQUOISE = (175 / 255, 238 / 255, 238 / 255)
_RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))


def missing(module: str) -> bool:
    """Whether a package is not installed."""
    return find_spec(module) is None


@lru_cache(maxsize=8)
def frost_photo(number: int, size: float) -> Tensor:
    """The photograph `number`, from 0, as (3, H, W) float32 in [0, 1], at `size` times its own sides."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(f"frost needs photographs of ice that are not installed: {INSTALL}, or leave frost out.")
    ending = "png" if number < 3 else "jpg"
    file = Path(spec.origin).parent / "assets" / "frost" / f"frost{number + 1}.{ending}"
    photo = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1).float() / 255
    if size == 1:
        return photo
    sides = [round(side * size) for side in photo.shape[1:]]
    return F.interpolate(photo[None], size=sides, mode="bilinear", align_corners=False)[0]


def require_room(photo: Tensor, size: tuple[int, int]) -> None:
    """Raise UserError where an image of `size` cannot be cut out of the photograph (C, H, W)."""
    if photo.shape[1] < size[0] or photo.shape[2] < size[1]:
        raise UserError(
            f"The photographs of ice ({photo.shape[1]} x {photo.shape[2]}) are smaller than images of {size[0]} x "
            f"{size[1]}: leave frost out."
        )


def edges(x: Tensor) -> Tensor:
    """Canny's edges of grey images (B, 1, H, W), by scikit-image, as it stands."""
    canny = _imported("skimage.feature", "canny_edges").canny
    return torch.from_numpy(np.stack([canny(image[0]) for image in x.cpu().numpy()]))[:, None].to(x)


def water(x: Tensor, liquid: Tensor, strength: float) -> Tensor:
    """`x` (B, 3, H, W) under the water whose depth is `liquid` (B, 1, H, W), lit from one side, by OpenCV."""
    lit = torch.from_numpy(np.stack([_lit(depth[0], strength) for depth in liquid.cpu().numpy()])).to(x)[:, None]
    return (x + lit * torch.tensor(_TURQUOISE, device=x.device)[:, None, None]).clamp(0, 1)


def _lit(depth: np.ndarray, strength: float) -> np.ndarray:
    """How much light the water of `depth` (H, W) in [0, 1] adds, up to `strength`."""
    cv = _imported("cv2", "spatter")
    layer = (depth * 255).clip(0, 255).astype(np.uint8)
    away = cv.distanceTransform(255 - cv.Canny(layer, 50, 150), cv.DIST_L2, 5)
    away = cv.equalizeHist(cv.blur(np.minimum(away, 20), (3, 3)).astype(np.uint8))
    away = cv.blur(cv.filter2D(away, cv.CV_8U, np.array(_RELIEF)), (3, 3)).astype(np.float32)
    light = layer * away
    return light / max(float(light.max()), 1e-6) * strength


def _imported(module: str, corruption: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"{corruption} needs {module.split('.')[0]}, which cannot be imported ({error}): {INSTALL}, or leave "
            f"{corruption} out."
        ) from error
