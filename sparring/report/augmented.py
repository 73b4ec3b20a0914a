"""Originals beside what a perturbation made of them, a column an image, a row a moment of the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparring.files import atomic
from sparring.report import phases
from sparring.report.figures import COLOURS, INK, STYLE, svg
from sparring.report.ledger import Run
from sparring.report.stored import stored

ARRAYS = "augmentor.npz"  # images (R, N, C, H, W), rows (R,) and titles (N,)
NEEDED = ("images", "rows", "titles")
LARGEST = 112  # pixels of a drawn image's longer side; larger ones are made smaller
SIGNAL = (24, 40)  # height and width of the cell that a signal of one row is drawn in
PRINTED: dict[Any, Any] = STYLE | {key: "black" for key, colour in STYLE.items() if colour == INK}
Pictures = Mapping[str, np.ndarray]


def augmented(run: Run) -> str | None:
    """The run's pictures as an svg element, or None where it has none that can be read."""
    found = stored(run.path / ARRAYS, NEEDED)
    return None if found is None else svg(lambda ax: draw(ax, found), height=_height(found, 5.2))


def picture(found: Pictures, run: Run, path: Path) -> None:
    """Draw pictures, and beside them how the run's phases went where it had some, to the PNG file `path`."""
    lines = phases.told(run)
    wide = max(4.5, 1.5 + 0.85 * len(found["titles"]))
    high = max(_height(found, wide), 6.4 if lines else 0.0)
    with matplotlib.rc_context(PRINTED):
        figure = Figure(figsize=(wide + (6.0 if lines else 0.0), high), dpi=110, layout="constrained")
        left, *right = figure.subfigures(
            1, 2 if lines else 1, width_ratios=[wide, 6.0] if lines else None, squeeze=False
        )[0]
        figure.suptitle(f"{run.method} on {run.data}, seed {run.seed}", fontsize=10)
        draw(left.subplots(), found)
        for side in right:
            phases.draw(side.subplots(phases.PANELS, 1, sharex=True), lines, run.config)
        with atomic(path) as unfinished:
            figure.savefig(unfinished, format="png", bbox_inches="tight")


def draw(ax: Axes, found: Pictures) -> None:
    """Draw pictures on one pair of axes, classes above and rows named at the left; signals of one row as lines."""
    images = found["images"].astype(np.float32)
    signals = images.shape[3] == 1
    images = images if signals else smaller(images)
    rows, columns = images.shape[:2]
    high, wide, gap = _cell(images.shape)
    if signals:
        _signals(ax, images)
    else:
        ax.imshow(_grid(images, gap), extent=(0, columns * (wide + gap), rows * (high + gap), 0), interpolation="none")
    ax.set_xlim(0, columns * (wide + gap))
    ax.set_ylim(rows * (high + gap), 0)
    ax.set_aspect("equal", anchor="N")
    names = [str(title) if len(str(title)) <= 18 else f"{str(title)[:17]}…" for title in found["titles"]]
    ax.set_xticks([column * (wide + gap) + wide / 2 for column in range(columns)], names)
    ax.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    if max(map(len, names)) > 5:  # names that would run into each other
        for label in ax.get_xticklabels():
            label.set(rotation=40, horizontalalignment="left")
    ax.set_yticks([row * (high + gap) + high / 2 for row in range(rows)], list(map(str, found["rows"])))
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _grid(images: np.ndarray, gap: int) -> np.ndarray:
    """Images (R, N, C, H, W) as one picture (R (H + gap), N (W + gap), 4), clear between them."""
    colours = np.repeat(images, 3, 2) if images.shape[2] == 1 else images[:, :, :3]
    seen = np.concatenate([colours.clip(0, 1), np.ones_like(colours[:, :, :1])], 2)
    seen = np.pad(seen, ((0, 0), (0, 0), (0, 0), (0, gap), (0, gap)))
    R, N, C, H, W = seen.shape
    return seen.transpose(0, 3, 1, 4, 2).reshape(R * H, N * W, C)


def _signals(ax: Axes, images: np.ndarray) -> None:
    """Draw signals (R, N, C, 1, L), each a line a channel in its own cell, all on the scale of the first row."""
    high, wide, gap = _cell(images.shape)
    low, tall = images[0].min(), max(float(np.ptp(images[0])), 1e-6)
    for row, shown in enumerate(images):
        for column, image in enumerate(shown):
            across = np.linspace(0, wide, image.shape[-1]) + column * (wide + gap)
            for channel, colour in zip(image[:, 0], COLOURS, strict=False):
                height = np.clip((channel - low) / tall, -0.1, 1.1)
                ax.plot(across, row * (high + gap) + high * (1 - height), color=colour, linewidth=1.1)


def smaller(images: np.ndarray) -> np.ndarray:
    """Images (R, N, C, H, W) with blocks of pixels averaged, so that no side is longer than `LARGEST`."""
    block = -(-max(images.shape[3:]) // LARGEST)
    if block == 1:
        return images
    R, N, C, H, W = images.shape
    whole = images[..., : H // block * block, : W // block * block]
    return whole.reshape(R, N, C, H // block, block, W // block, block).mean((4, 6))


def _cell(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height and width that an image is given, and the gap to the next."""
    high, wide = SIGNAL if shape[3] == 1 else (shape[3], shape[4])
    return high, wide, max(1, wide // 8)


def _height(found: Pictures, width: float) -> float:
    """How high (inches) a figure `width` inches wide is with these pictures, their names at the left and above."""
    (rows, columns), (high, wide, gap) = found["images"].shape[:2], _cell(found["images"].shape)
    return 0.6 + (width - 1.5) / (columns * (wide + gap)) * rows * (high + gap)
