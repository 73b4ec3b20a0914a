"""Heat maps: rows are methods, columns a network's layers, in blocks by stage; colours on a scale of logarithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import ceil, floor, log10

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from sparring.report.figures import STYLE, markup, shortened

WIDE = 9.0  # inches; the page shows it as wide as its text
NAMED = 44  # so many columns have room for their names
GAP = 0.012  # between two stages, as a part of all columns
SHADES = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.1, 0.95, 256)))  # seen on white and near-black
Columns = Sequence[tuple[str, str]]


def heat(rows: Sequence[str], columns: Columns, panels: Mapping[str, np.ndarray]) -> str:
    """An svg element with a map for each of `panels`: values (R, C) under their name, for rows and columns, these as
    (layer, stage), layers of a stage in a row. What is not positive is left empty, since it has no logarithm."""
    with matplotlib.rc_context(STYLE):
        return markup(figure(rows, columns, panels))


def figure(rows: Sequence[str], columns: Columns, panels: Mapping[str, np.ndarray]) -> Figure:
    """The figure itself, in the style that is set around it."""
    names = len(columns) <= NAMED
    longest = max(len(layer) for layer, _ in columns) if names else 0
    high = len(panels) * (0.6 + 0.26 * len(rows)) + 0.3 + 0.065 * longest
    whole = Figure(figsize=(WIDE, high), layout="constrained")
    axes = whole.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, values) in zip(axes, panels.items(), strict=True):
        panel(whole, ax, rows, columns, np.ma.masked_less_equal(np.ma.masked_invalid(values), 0), name)
    over(axes[0], columns)
    below = axes[-1]
    if names:
        labels = [layer for layer, _ in columns]
        below.set_xticks([left + 0.5 for left in lefts(columns)], labels, rotation=90, fontsize=7)
    else:
        below.set_xlabel(f"{len(columns)} layers, in the order of a forward pass")
    return whole


def lefts(columns: Columns) -> list[float]:
    """Where each column begins: they are one wide, with a gap where a stage ends."""
    gap, found, at = GAP * len(columns) + 0.1, [], 0.0
    for number, (_, stage) in enumerate(columns):
        at += gap if number and stage != columns[number - 1][1] else 0.0
        found.append(at + number)
    return found


def panel(whole: Figure, ax: Axes, rows: Sequence[str], columns: Columns, values: np.ma.MaskedArray, name: str) -> None:
    """Draw one map, and its scale beside it."""
    known = values.compressed()
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    norm = LogNorm(low / 1.01, high * 1.01)  # of one value alone there would be no scale
    for begin, end in blocks(columns):
        edges = [*lefts(columns)[begin:end], lefts(columns)[end - 1] + 1]
        mesh = ax.pcolormesh(edges, np.arange(len(rows) + 1), values[:, begin:end], norm=norm, cmap=SHADES)
        mesh.set(edgecolor="face", linewidth=0.3)  # else the page's own colour shows between cells
    ax.set_xlim(0, lefts(columns)[-1] + 1)
    ax.set_ylim(len(rows), 0)
    ax.set_yticks([row + 0.5 for row in range(len(rows))], [shortened(row) for row in rows], fontsize=8)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    bar = whole.colorbar(mesh, ax=ax, pad=0.012, aspect=12, fraction=0.05)
    bar.set_ticks(ticks(low, high), labels=[f"{tick:.3g}" for tick in ticks(low, high)], fontsize=7)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=2)
    bar.outline.set_visible(False)
    bar.set_label(name, fontsize=8)


def blocks(columns: Columns) -> list[tuple[int, int]]:
    """The first column of each stage, and the one after its last."""
    found, at = [], 0
    for _, inside in groupby(columns, key=lambda column: column[1]):
        found.append((at, at := at + len(list(inside))))
    return found


def over(ax: Axes, columns: Columns) -> None:
    """Write the stages' names above the columns."""
    where = lefts(columns)
    for begin, end in blocks(columns):
        middle = (where[begin] + where[end - 1] + 1) / 2
        ax.annotate(
            columns[begin][1],
            (middle, 0),
            (0, 4),
            textcoords="offset points",
            ha="center",
            color=matplotlib.rcParams["text.color"],
            fontsize=8,
        )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two, five or so: 1, 2 and 5 times the powers of ten where these alone are few."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    tens = [10.0**power for power in powers if low <= 10.0**power <= high]
    finer = [first * 10.0**power for power in powers for first in (1, 2, 5) if low <= first * 10.0**power <= high]
    found = tens if len(finer) > 7 else finer
    return found if len(found) > 1 else [low, high] if high > low else [low]
