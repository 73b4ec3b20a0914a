"""The losses around a trained network as contours on a plane, its end and where its training started marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure

from sparring.files import atomic
from sparring.report.augmented import PRINTED
from sparring.report.figures import COLOURS, STYLE, markup
from sparring.report.ledger import Run
from sparring.report.stored import stored

FILE, ARRAYS = "landscape.png", "landscape.npz"
LEVELS = 10
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#cfe0f1", "#8fb5da", "#6595ca"])  # dark ink is read
MARKS = {"start": ("s", COLOURS[1]), "end": ("o", COLOURS[6]), "best": ("^", COLOURS[2])}
NEEDED = ("x", "y", "axes", "losses", "surfaces", "points", "at", "off", "lost", "images")
Arrays = Mapping[str, np.ndarray]


def landscape(run: Run) -> str | None:
    """The run's landscape as an svg element, or None where none was drawn or it cannot be read."""
    if (found := stored(run.path / ARRAYS, NEEDED)) is None:
        return None
    with matplotlib.rc_context(STYLE):
        return markup(figure(found))


def picture(found: Arrays, run: Run, path: Path) -> None:
    """Draw the losses to the PNG file `path`, atomically."""
    with matplotlib.rc_context(PRINTED):
        whole = figure(found)
        images = f"{int(found['images']):,} training images as they are, eval mode"
        about = f"{run.method}, {run.student} on {run.data}, seed {run.seed}"
        between = "\n" if len(about + images) > 55 * len(found["losses"]) else ": "
        whole.suptitle(about + between + images, fontsize=10)
        with atomic(path) as unfinished:
            whole.savefig(unfinished, format="png", bbox_inches="tight")


def figure(found: Arrays) -> Figure:
    """A panel a loss: surfaces (L, Y, X) over x (X,), y (Y,); points (P,) at (P, 2), their losses: lost (P, L)."""
    count = len(found["losses"])
    whole = Figure(figsize=(4.9 * count, 4.7), dpi=110, layout="constrained")
    for number, ax in enumerate(whole.subplots(1, count, squeeze=False)[0]):
        contours(whole, ax, found, number)
        mark(ax, found, number)
    return whole


def contours(whole: Figure, ax: Axes, found: Arrays, number: int) -> None:
    """Draw one loss, each colour and line a level; the levels share the grid's points out evenly."""
    values = np.ma.masked_invalid(found["surfaces"][number])
    steps = levels(values.compressed())
    ax.set_title(str(found["losses"][number]), fontsize=9, pad=24)
    ax.grid(visible=False)
    ax.set_xlabel(str(found["axes"][0]))
    if number == 0:
        ax.set_ylabel(str(found["axes"][1]))
    if len(steps) < 3:
        ax.text(0.5, 0.5, "the same everywhere", transform=ax.transAxes, ha="center")
        return
    norm = BoundaryNorm(steps, 256)
    filled = ax.contourf(found["x"], found["y"], values, steps, norm=norm, cmap=SHADES, extend="both")
    lines = ax.contour(found["x"], found["y"], values, steps, colors="#20252b", linewidths=0.6, linestyles="solid")
    ax.clabel(lines, list(steps)[1:-1:2], fontsize=7, fmt=lambda value: f"{value:.3g}", inline_spacing=2)
    bar = whole.colorbar(filled, ax=ax, orientation="horizontal", shrink=0.95, aspect=40, pad=0.02)
    bar.set_ticks(list(steps), labels=[f"{step:.3g}" for step in steps], fontsize=7, rotation=45)
    bar.set_label("loss", fontsize=8)


def levels(values: np.ndarray) -> list[float]:
    """Rising levels, rounded to three figures, between which about as many of the values lie."""
    cuts = np.quantile(values, np.linspace(0, 1, LEVELS + 1)) if len(values) else np.array([])
    return sorted({float(f"{cut:.3g}") for cut in cuts})


def mark(ax: Axes, found: Arrays, number: int) -> None:
    """Mark the points, each with its own loss, and the way from the start to the end."""
    names: Sequence[str] = [str(name) for name in found["points"]]
    where = dict(zip(names, found["at"], strict=True))
    if "start" in where:
        way = np.stack([where["start"], where["end"]])
        ax.plot(*way.T, color="#20252b", linestyle="--", linewidth=1.1, zorder=3)
    for row, name in enumerate(names):
        shape, colour = MARKS.get(name, ("D", COLOURS[4]))
        beside = ", off the plane" if float(found["off"][row]) > 0.05 else ""
        style: dict[str, Any] = {"markeredgecolor": "white", "markersize": 8, "linestyle": "", "zorder": 4}
        label = f"{name}{beside}: {found['lost'][row][number]:.3g}"
        ax.plot(*where[name], marker=shape, color=colour, label=label, **style)
    ax.set_xlim(found["x"][0], found["x"][-1])
    ax.set_ylim(found["y"][0], found["y"][-1])
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), columnspacing=1.2, handletextpad=0.2)
