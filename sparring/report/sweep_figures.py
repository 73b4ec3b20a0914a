"""The pictures of a search: parallel coordinates, the best so far, and what its values' differences come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log10
from statistics import median
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from sparring.report.figures import COLOURS, INK, STYLE, markup, shortened, svg
from sparring.report.swept import Swept

BEST, FAINT = COLOURS[1], COLOURS[7]
SHADES = LinearSegmentedColormap.from_list("accuracy", [COLOURS[7], COLOURS[0], COLOURS[2]])
STOPS = 5  # labels on an axis
BROAD = 11.0  # inches, of a picture as wide as the page, at which its letters are as large as the others'
FAR = 5.0  # times the median distance from the median, and a point more, below which a result is not drawn to scale


def parallel(found: Swept) -> str | None:
    """Every trial as a line across one axis a key and one for what it reached (DA's Fig. 2); None without any."""
    done, pruned = found.ended("complete"), found.ended("pruned")
    if not (done or pruned):
        return None
    space: Sequence[Mapping[str, Any]] = found.told["space"]
    reached = [100 * trial["value"] for trial in done + pruned]
    low, high = foot(reached), max(reached)
    last = {"key": "", "choices": [], "low": low, "high": high if high > low else low + 1, "log": False}
    best = max(done, key=lambda trial: (trial["value"], -trial["number"]), default=None)

    def heights(trial: Mapping[str, Any]) -> list[float]:
        values = [trial["values"].get(axis["key"]) for axis in space]
        ends = [*values, max(100 * trial["value"], low)]
        return [height(axis, value) for axis, value in zip([*space, last], ends, strict=True)]

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(BROAD, 2.2 + 1.6 * len(space)), 3.6), layout="constrained")
        ax = figure.subplots()
        for trial in pruned:
            ax.plot(heights(trial), color=FAINT, alpha=0.35, linewidth=0.8, linestyle=(0, (3, 2)))
        for trial in sorted(done, key=lambda trial: trial["value"]):
            if trial is not best:
                shade = max(0.0, (100 * trial["value"] - low) / (last["high"] - low))
                ax.plot(heights(trial), color=SHADES(shade), alpha=0.85, linewidth=1.1)
        if best is not None:
            ax.plot(heights(best), color=BEST, linewidth=2.6, marker="o", markersize=4)
        if any(value < low for value in reached):
            ax.plot(len(space), 0, color=INK, marker="v", markersize=6, clip_on=False)
        names = [shortened(axis["key"]) + (" (log)" if axis["log"] else "") for axis in space]
        what = "validation accuracy" + ("\nunder PGD-10" if found.attacked else "")
        dress(ax, [*space, last], [*names, f"{what}, %"])
        return markup(figure)


def foot(reached: Sequence[float]) -> float:
    """Where the axis of results begins: at the lowest that is not far below the median, lest a few poor trials squeeze
    all others into its top."""
    middle = median(reached)
    bound = middle - FAR * median(abs(value - middle) for value in reached) - 1.0
    return min(value for value in reached if value >= bound)


def squeezed(found: Swept) -> str:
    """What is said of the trials that lie below the axis of results; "" where none does."""
    reached = [100 * trial["value"] for trial in found.ended("complete") + found.ended("pruned")]
    if not reached or not (count := sum(value < foot(reached) for value in reached)):
        return ""
    lie, end = ("trials lie", "end") if count > 1 else ("trial lies", "ends")
    return (
        f"▼: {count} {lie} far below the others, the lowest at {min(reached):.2f} %, and {end} at the "
        f"foot of the axis, which begins at {foot(reached):.2f} %."
    )


def dress(ax: Axes, axes: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Upright axes with their names below and their values beside them."""
    for at, axis in enumerate(axes):
        ax.axvline(at, color=INK, linewidth=0.8)
        for text, y in stops(axis):
            ax.annotate(text, (at, y), xytext=(3, 2), textcoords="offset points", fontsize=7.5, color=INK)
    ax.set_xticks(range(len(axes)), names)
    ax.set_yticks([])
    ax.set_xlim(-0.08, len(axes) - 0.75)
    ax.set_ylim(-0.04, 1.08)
    ax.grid(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="x", length=0)


def height(axis: Mapping[str, Any], value: Any) -> float:
    """Where a value lies on its axis, from 0 to 1; NaN for one that has none there."""
    if axis["choices"]:
        count = len(axis["choices"])
        return axis["choices"].index(value) / max(1, count - 1) if value in axis["choices"] else float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("nan")
    low, high = axis["low"], axis["high"]
    if axis["log"] and min(value, low) > 0:
        return log10(value / low) / log10(high / low)
    return (value - low) / (high - low)


def stops(axis: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The values that are written beside an axis, and where."""
    if axis["choices"]:
        return [(str(choice), height(axis, choice)) for choice in axis["choices"]]
    low, high = axis["low"], axis["high"]
    if isinstance(low, int) and isinstance(high, int) and high - low < STOPS:
        values = [float(value) for value in range(low, high + 1)]
    else:
        values = (np.geomspace(low, high, STOPS) if axis["log"] else np.linspace(low, high, STOPS)).tolist()
    return [(f"{value:.4g}" if not axis["log"] else f"{value:.2g}", height(axis, value)) for value in values]


def history(found: Swept) -> str | None:
    """What each trial reached, and the best so far, over the images trained on by then; None without any."""
    trials = [each for each in found.trials if each["value"] is not None and each["images"]]
    if not trials:
        return None
    at = [images / 1000 for images in accumulate(each["images"] for each in trials)]
    whole = [(x, 100 * each["value"]) for x, each in zip(at, trials, strict=True) if each["state"] == "complete"]
    cut = [(x, 100 * each["value"]) for x, each in zip(at, trials, strict=True) if each["state"] == "pruned"]

    def draw(ax: Axes) -> None:
        if whole:
            ax.plot(*zip(*whole, strict=True), "o", color=COLOURS[0], markersize=4, label="trained to the end")
            xs, ys = zip(*whole, strict=True)
            ax.step([*xs, at[-1]], [*accumulate(ys, max), max(ys)], where="post", color=BEST, label="best so far")
        if cut:
            ax.plot(*zip(*cut, strict=True), "x", color=FAINT, markersize=5, label="pruned, where it ended")
        ax.set_xlabel("training images seen by all trials so far, thousands")
        ax.set_ylabel("validation accuracy" + (" under PGD-10" if found.attacked else "") + ", %")
        ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2, handlelength=1.2)

    return svg(draw, height=3.0)


def importances(found: Swept) -> str | None:
    """Each key's share of what the trials' values vary by; None where that was not found."""
    told: Mapping[str, float] | None = found.told.get("importances")
    if not told:
        return None
    names = sorted(told, key=lambda key: told[key])

    def draw(ax: Axes) -> None:
        ax.barh(range(len(names)), [100 * told[name] for name in names], color=COLOURS[0], height=0.55)
        ax.set_yticks(range(len(names)), [shortened(name) for name in names])
        ax.set_xlabel("share of the differences in validation accuracy, %")
        ax.grid(axis="y", visible=False)

    return svg(draw, height=0.9 + 0.35 * len(names))
