"""Rows of small pictures in one PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sparring.files import atomic


def gallery(rows: Mapping[str, np.ndarray], path: Path) -> Path:
    """Draw rows of images, each (N, C, H, W) in [0, 1] under its name, to the PNG file `path`, atomically."""
    most = max(len(images) for images in rows.values())
    figure = Figure(figsize=(1.0 * most, 1.25 * len(rows)), dpi=100)
    for at, (name, images) in enumerate(rows.items()):
        axes = figure.add_axes((0.01, 1 - (at + 1) / len(rows), 0.98, 0.82 / len(rows)))
        axes.imshow(side_by_side(images), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=9, loc="left", pad=2)
        axes.set_axis_off()
    with atomic(path) as unfinished:
        figure.savefig(unfinished, format="png")
    return path


def side_by_side(images: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) in one row with a pixel of white between them: (H, W', 3), or (H, W') of grey ones."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=1.0)
    row = np.concatenate(list(padded.transpose(0, 2, 3, 1)), axis=1)
    return row[..., 0] if row.shape[-1] == 1 else row
