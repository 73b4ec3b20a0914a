"""Every corruption by name, with its five levels in each benchmark; and how an image is corrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from sparring.core import UserError, did_you_mean
from sparring.evaluate.corruptions import blur, extra, noise, strokes, tones, warp, weather
from sparring.evaluate.corruptions.chance import Chance

Levels = tuple[tuple[Any, ...], ...]
SEVERITIES = (1, 2, 3, 4, 5)
MNIST, CIFAR, IMAGENET = "MNIST-C", "CIFAR-C", "ImageNet-C"
SMALL = 64  # colour images up to this side are corrupted as CIFAR-C's of 32 pixels, larger ones as ImageNet-C's of 224


class Corruption(NamedTuple):
    """apply: (x, chance, *level) → x; levels: by benchmark, one for each severity, or one alone for all; needs: the
    package it cannot do without."""

    apply: Callable[..., Tensor]
    levels: Mapping[str, Levels]
    needs: str = ""


def _each(*values: Any) -> Levels:
    return tuple(value if isinstance(value, tuple) else (value,) for value in values)


def _levels(mnist: Levels = (), cifar: Levels = (), imagenet: Levels = ()) -> dict[str, Levels]:
    return {name: some for name, some in ((MNIST, mnist), (CIFAR, cifar), (IMAGENET, imagenet)) if some}


_FOG = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
_MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
_SPATTER = (
    (0.65, 0.3, 4, 0.69, 0.6, False),
    (0.65, 0.3, 3, 0.68, 0.6, False),
    (0.65, 0.3, 2, 0.68, 0.5, False),
    (0.65, 0.3, 1, 0.65, 1.5, True),
    (0.67, 0.4, 1, 0.65, 1.5, True),
)
_MUD = tuple((*level[:3], *rest) for level, rest in zip(
    _SPATTER, ((0.69, 0.6, True), (0.68, 0.6, True), (0.68, 0.5, True), (0.65, 1.5, True), (0.65, 1.5, True)),
    strict=True,
))  # fmt: skip
_ANGLES = _each(0.2, 0.4, 0.6, 0.8, 1.0)
_SIDE = 244  # ImageNet-C's elastic transform is for images of 224, and says 244

CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian_noise": Corruption(
        noise.gaussian_noise,
        _levels(cifar=_each(0.04, 0.06, 0.08, 0.09, 0.10), imagenet=_each(0.08, 0.12, 0.18, 0.26, 0.38)),
    ),
    "shot_noise": Corruption(
        noise.shot_noise,
        _levels(_each(60, 25, 12, 5, 3), _each(500, 250, 100, 75, 50), _each(60, 25, 12, 5, 3)),
    ),
    "impulse_noise": Corruption(
        noise.impulse_noise,
        _levels(
            _each(0.03, 0.06, 0.09, 0.17, 0.27),
            _each(0.01, 0.02, 0.03, 0.05, 0.07),
            _each(0.03, 0.06, 0.09, 0.17, 0.27),
        ),
    ),
    "defocus_blur": Corruption(
        blur.defocus_blur,
        _levels(
            cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
            imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        ),
    ),
    "glass_blur": Corruption(
        blur.glass_blur,
        _levels(_GLASS, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)), _GLASS),
    ),
    "motion_blur": Corruption(
        blur.motion_blur, _levels(_MOTION, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), _MOTION)
    ),
    "zoom_blur": Corruption(
        blur.zoom_blur,
        _levels(
            cifar=tuple((end, 0.01) for end in (1.06, 1.11, 1.16, 1.21, 1.26)),
            imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        ),
    ),
    "snow": Corruption(
        weather.snow,
        _levels(
            cifar=(
                (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
                (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
                (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
                (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
                (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
            ),
            imagenet=(
                (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
                (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
                (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
                (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
                (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
            ),
        ),
    ),
    "frost": Corruption(
        weather.frost,
        _levels(
            cifar=((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
            imagenet=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
        ),
        needs=extra.PACKAGE,
    ),
    "fog": Corruption(
        weather.fog,
        _levels(tuple((*level, 256) for level in _FOG), ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)), _FOG),
    ),
    "brightness": Corruption(
        tones.brightness,
        _levels(_each(0.1, 0.2, 0.3, 0.4, 0.5), _each(0.05, 0.1, 0.15, 0.2, 0.3), _each(0.1, 0.2, 0.3, 0.4, 0.5)),
    ),
    "contrast": Corruption(
        tones.contrast, _levels(cifar=_each(0.75, 0.5, 0.4, 0.3, 0.15), imagenet=_each(0.4, 0.3, 0.2, 0.1, 0.05))
    ),
    "elastic_transform": Corruption(
        warp.elastic_transform,
        _levels(
            cifar=tuple(
                tuple(32 * part for part in level)
                for level in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
            ),
            imagenet=tuple(
                tuple(_SIDE * part for part in level)
                for level in ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
            ),
        ),
    ),
    "pixelate": Corruption(
        tones.pixelate, _levels(cifar=_each(0.95, 0.9, 0.85, 0.75, 0.65), imagenet=_each(0.6, 0.5, 0.4, 0.3, 0.25))
    ),
    "jpeg_compression": Corruption(
        tones.jpeg_compression, _levels(cifar=_each(80, 65, 58, 50, 40), imagenet=_each(25, 18, 15, 10, 7))
    ),
    # The four that CIFAR-C and ImageNet-C keep for tuning.
    "speckle_noise": Corruption(
        noise.speckle_noise,
        _levels(cifar=_each(0.06, 0.1, 0.12, 0.16, 0.2), imagenet=_each(0.15, 0.2, 0.35, 0.45, 0.6)),
    ),
    "gaussian_blur": Corruption(
        blur.gaussian_blur, _levels(cifar=_each(0.4, 0.6, 0.7, 0.8, 1), imagenet=_each(1, 2, 3, 4, 6))
    ),
    "spatter": Corruption(
        weather.spatter,
        _levels(
            _MUD,
            (
                (0.62, 0.1, 0.7, 0.7, 0.5, False),
                (0.65, 0.1, 0.8, 0.7, 0.5, False),
                (0.65, 0.3, 1, 0.69, 0.5, False),
                (0.65, 0.1, 0.7, 0.69, 0.6, True),
                (0.65, 0.1, 0.5, 0.68, 0.6, True),
            ),
            _SPATTER,
        ),
    ),
    "saturate": Corruption(
        tones.saturate,
        _levels(
            cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
            imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        ),
    ),
    # MNIST-C's own.
    "translate": Corruption(warp.shifted, _levels(_each(*warp.SHIFTS))),
    "shear": Corruption(warp.shear, _levels(_ANGLES)),
    "scale": Corruption(warp.scale, _levels(_each(0.9, 0.8, 0.7, 0.6, 0.5))),
    "rotate": Corruption(warp.rotate, _levels(_ANGLES)),
    "stripe": Corruption(tones.stripe, _levels(((),))),
    "dotted_line": Corruption(strokes.dotted_line, _levels(((),))),
    "zigzag": Corruption(strokes.zigzag, _levels(((),))),
    "canny_edges": Corruption(strokes.canny_edges, _levels(((),)), needs="skimage"),
}


def benchmark(shape: tuple[int, int, int]) -> str:
    """Whose levels images of `shape` (C, H, W) get. Raises UserError for images that are neither grey nor RGB."""
    if shape[0] not in (1, 3):
        raise UserError(f"The images have {shape[0]} channels: the corruptions are for grey (1) and colour (3) images.")
    if shape[0] == 1:
        return MNIST
    return CIFAR if max(shape[1:]) <= SMALL else IMAGENET


def severities(name: str, kind: str) -> tuple[int, ...]:
    """The severities of a corruption in a benchmark: 1 … 5, (0,) if it knows none, () if it is not in it."""
    return {0: (), 1: (0,)}.get(len(CORRUPTIONS[name].levels.get(kind, ())), SEVERITIES)


def unfit(name: str, kind: str, severity: int = 1) -> str | None:
    """Why a corruption cannot be made for images of a benchmark; None where it can."""
    known = CORRUPTIONS[name]
    if kind not in known.levels:
        return "needs colour" if kind == MNIST and name == "saturate" else f"is not in {kind}"
    wet = name == "spatter" and kind != MNIST and severity <= 3
    needs = "cv2" if wet else known.needs
    return f"needs {needs}: {extra.INSTALL}" if needs and extra.missing(needs) else None


def require_known(name: str) -> None:
    """Raise UserError for a corruption that does not exist."""
    if name not in CORRUPTIONS:
        raise UserError(f"There is no corruption {name!r}. {did_you_mean(name, CORRUPTIONS)}")


def corrupted(x: Tensor, name: str, severity: int, *, rows: Tensor) -> Tensor:
    """Images `x` (B, C, H, W) in [0, 1] corrupted, at the levels of the benchmark that their shape belongs to.

    severity: 1 … 5 (of no matter to a corruption without levels); rows: (B,) int64, each image's row in its data set:
    what is drawn for an image follows from it, the corruption and the severity alone. Raises UserError for what does
    not exist or cannot be made.
    """
    require_known(name)
    kind = benchmark((x.shape[1], x.shape[2], x.shape[3]))
    if severity not in SEVERITIES and not (severity == 0 and severities(name, kind) == (0,)):
        raise UserError(f"{name} has no severity {severity}: choose 1, 2, 3, 4 or 5.")
    if reason := unfit(name, kind, severity):
        raise UserError(f"{name} {reason}.")
    at = severity if len(CORRUPTIONS[name].levels[kind]) > 1 else 0
    level = CORRUPTIONS[name].levels[kind][max(at - 1, 0)]
    return CORRUPTIONS[name].apply(x, Chance.of(rows, name, at, x.device), *level)
