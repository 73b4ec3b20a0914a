"""The report's pictures, as SVG to stand inside a page: text takes the page's own colour, light or dark."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import matplotlib
import numpy as np
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from sparring.report.groups import Arm, Group
from sparring.report.ledger import Run, disagreement, history, loss_terms, number
from sparring.report.legend import legend, spoken
from sparring.report.stored import stored

# Mid-tones, 3:1 or more from white and from near-black alike, told apart by eyes without red, green or blue cones too:
# no two are nearer than 10 (of 100) in OKLab as any of them sees it.
COLOURS = ("#1a95fe", "#e86b06", "#0c7259", "#bc6abf", "#8324fa", "#9e38ae", "#c81415", "#84967a")
DASHES, MARKERS = ("-", "--", ":"), ("o", "s", "^")
WIDTH = 5.6  # inches, of which a phone shows nearly as many points as it has
INK = "#010203"  # becomes currentColor
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sparring",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#8888884d",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    **{key: INK for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")},
}
Draw = Callable[[Axes], None]
Points = Sequence[tuple[float, float]]


def validation_curves(group: Group) -> str | None:
    """Validation accuracy by epoch, a line an arm: the mean over its seeds, and a band of one standard deviation."""
    found = {arm.label: [_validation(run) for run in arm.runs] for arm in group.arms}
    return _lines(found, "epoch", "validation accuracy, %")


def loss_curves(arm: Arm) -> str | None:
    """An arm's unweighted loss terms by epoch: the mean over its seeds, and a band of one standard deviation."""
    terms = [loss_terms(run) for run in arm.runs]
    names = sorted({name for each in terms for name in each})
    return _lines({name: [each.get(name, []) for each in terms] for name in names}, "epoch", "loss term, unweighted")


def disagreement_curve(group: Group) -> str | None:
    """Accuracy of student (solid) and teacher (dashed) on images climbed towards their disagreement (DA's Fig. 3)."""
    found: dict[str, dict[str, list[Points]]] = {}
    for arm in group.arms:
        for run in arm.runs:
            rows = disagreement(run)
            names = list(dict.fromkeys(row["student"] for row in rows))
            for name in names:
                mine = [row for row in rows if row["student"] == name]
                sides = found.setdefault(arm.label if len(names) == 1 else name, {"student": [], "teacher": []})
                for side, points in sides.items():
                    points.append(_climb(mine, f"{side}_accuracy"))
    known = [arm.label for arm in group.arms]  # an arm keeps the colour it has among the validation curves
    order = known + [name for name in found if name not in known]
    return with_legend(lambda ax: _draw_climb(ax, found, order)) if found else None


def _draw_climb(ax: Axes, found: Mapping[str, Mapping[str, list[Points]]], order: Sequence[str]) -> None:
    for name, sides in found.items():
        colour, _, marker = look(order.index(name))
        for (side, points), dash in zip(sides.items(), ("-", "--"), strict=True):
            line(ax, f"{side}, {name}", points, colour, dash=dash, marker=marker)
    ticks = sorted({x for sides in found.values() for runs in sides.values() for run in runs for x, _ in run})
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("steps towards disagreement")
    ax.set_ylabel("test accuracy, %")
    ax.set_ylim(bottom=0)


def gallery(run: Run) -> list[dict[str, Any]] | None:
    """The pictures of DA's Fig. 4: a list of {label, stops: [{steps, src, student, teacher, mse}]}, an image each.

    src is a PNG as a data address; student and teacher are the names of their three highest classes, best first.
    """
    found = stored(run.path / "disagreement_examples.npz")
    if found is None:  # a file that was cut off is no reason to have no report
        return None
    try:
        return [_example(found, row) for row in range(len(found["labels"]))]
    except (ValueError, KeyError, IndexError):
        return None


def _example(found: Mapping[str, np.ndarray], row: int) -> dict[str, Any]:
    names = found.get("classes", np.array([]))

    def name(number: int) -> str:
        return str(names[number]) if number < len(names) else str(number)

    stops = [
        {
            "steps": int(steps),
            "src": png(found["images"][row, stop]),
            "student": [name(int(k)) for k in found["student_top3"][row, stop]],
            "teacher": [name(int(k)) for k in found["teacher_top3"][row, stop]],
            "mse": f"{float(found['mse'][row, stop]):.2g}",
        }
        for stop, steps in enumerate(found["steps"])
    ]
    return {"label": name(int(found["labels"][row])), "stops": stops}


def png(image: np.ndarray) -> str:
    """An image (H, W, C) uint8 as a PNG in a data address."""
    file = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _lines(found: Mapping[str, Sequence[Points]], across: str, up: str) -> str | None:
    found = {name: [run for run in runs if run] for name, runs in found.items()}
    if len({x for runs in found.values() for run in runs for x, _ in run}) < 2:
        return None  # a single epoch makes no curve

    def draw(ax: Axes) -> None:
        for row, (name, runs) in enumerate(found.items()):
            colour, dash, _ = look(row)
            if runs:
                line(ax, name, runs, colour, dash=dash)
        ax.set_xlabel(across)
        ax.set_ylabel(up)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))

    return with_legend(draw)


def line(ax: Axes, name: str, runs: Sequence[Points], colour: str, *, dash: str = "-", marker: str = "") -> None:
    """The mean of some runs at each x, and a band of one standard deviation where there are two or more."""
    at: dict[float, list[float]] = {}
    for run in runs:
        for x, y in run:
            at.setdefault(x, []).append(y)
    xs = sorted(at)
    mean = np.array([fmean(at[x]) for x in xs])
    marker = marker or ("o" if len(xs) == 1 else "")
    label = f"{name} (n={len(runs)})"
    ax.plot(xs, mean, color=colour, label=label, linestyle=dash, marker=marker, markersize=4, linewidth=1.8)
    if len(runs) > 1:
        sd = np.array([stdev(at[x]) if len(at[x]) > 1 else 0.0 for x in xs])
        ax.fill_between(xs, mean - sd, mean + sd, color=colour, alpha=0.18, linewidth=0)


def _validation(run: Run) -> list[tuple[float, float]]:
    scored = [(line["epoch"], number(line, "validation", "accuracy")) for line in history(run)]
    return [(float(epoch), 100 * value) for epoch, value in scored if value is not None]


def _climb(rows: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(float(row["steps"]), 100 * row[key]) for row in rows]


def look(number: int) -> tuple[str, str, str]:
    """Colour, dash and marker of a figure's line by its number: after the eighth, colours come back dashed."""
    turn = number // len(COLOURS)
    return COLOURS[number % len(COLOURS)], DASHES[turn % len(DASHES)], MARKERS[turn % len(MARKERS)]


def shortened(name: str) -> str:
    """A name that fits a figure: what is left out is its middle, for names differ at their ends."""
    return name if len(name) <= 34 else f"{name[:14]}…{name[-19:]}"


def with_legend(draw: Draw, *, height: float = 3.0) -> str:
    """An svg element as `svg` makes it, below a legend in the page's own text, which wraps on a phone."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        ax = figure.subplots()
        draw(ax)
        return legend(ax) + markup(figure)


def svg(draw: Draw, *, height: float = 3.0) -> str:
    """An svg element with one pair of axes, drawn on by `draw`."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        draw(figure.subplots())
        return markup(figure)


def svg_stack(draw: Callable[[Sequence[Axes]], None], count: int, *, height: float) -> str:
    """An svg element with `count` axes above each other that share their x, drawn on by `draw`."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(list(figure.subplots(count, 1, sharex=True)))
        return markup(figure)


def markup(figure: Figure) -> str:
    """The figure as an svg element that names no address, has no ink of its own and fits its column."""
    figure.patch.set_alpha(0)
    for ax in figure.axes:
        ax.patch.set_alpha(0)
    file = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(file, format="svg", bbox_inches="tight", metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)  # figure_1 would be in the page many times over
    own = hashlib.sha256(text.encode()).hexdigest()[:6]  # and so would a marker that two figures have
    text = re.sub(r'( id="|href="#|url\(#)', rf"\1f{own}-", text)
    head, _, rest = text.partition(">")
    head = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{escape(spoken(figure))}">' + rest.replace(INK, "currentColor")
