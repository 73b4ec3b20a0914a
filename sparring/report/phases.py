"""How the phases of a learned augmentor went: its error, its pool and its losses over the batches of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sparring.report.figures import COLOURS, svg_stack
from sparring.report.ledger import Run, journal, number

SHADE = 0.3  # how dark a stretch is in which the augmentor moved on every batch
PANELS = 4


def timeline(run: Run) -> str | None:
    """The phases of a run with a learned augmentor as an svg element, or None where it has none."""
    lines = told(run)
    return svg_stack(lambda axes: draw(axes, lines, run.config), PANELS, height=7.4) if lines else None


def told(run: Run) -> list[dict[str, Any]]:
    """The lines of the run's journal that tell of a learned augmentor, in order."""
    needed = (("gauges", "distance"), ("batch",), ("step",))
    return [line for line in journal(run, "train") if all(number(line, *keys) is not None for keys in needed)]


def draw(axes: Sequence[Axes], lines: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> None:
    """Draw the journal's `lines` on four axes that share their x: error, pool, losses, distance.

    config: the run's, whose `perturb` says in what unit its error and its losses are.
    """
    options = config.get("perturb") or {}
    options = options.get("hard") or options  # a link's options lie under its name
    x = [float(line["batch"]) for line in lines]
    lost = "squared" if options.get("measure") == "mse" else "T² KL, nats"
    _error(axes[0], x, lines, "loss L_st, nats" if options.get("error") == "loss" else "error, %")
    if not any(count == count for count in _gauge(lines, "pool")):
        axes[1].text(0.5, 0.5, "no phases: both move on every batch", transform=axes[1].transAxes, ha="center")
    _line(axes[1], x, _gauge(lines, "pool"), "snapshots kept", 0, drawstyle="steps-post")
    _line(axes[1], x, _gauge(lines, "given_up"), "phases given up", 6, drawstyle="steps-post")
    axes[1].set_ylabel("pool, count")
    axes[1].yaxis.set_major_locator(MaxNLocator(integer=True))
    for colour, (term, name) in enumerate({"st": "L_st, student – teacher", "tt": "L_tt, teacher – itself"}.items()):
        _line(axes[2], x, [_of(line, "terms", f"augmentor.{term}") for line in lines], name, colour)
    axes[2].set_ylabel(f"gap on its batches,\n{lost}")
    _line(axes[3], x, _gauge(lines, "distance"), "of its parameters", 2)
    axes[3].set_ylabel("distance from\nits start, norm")
    axes[3].set_xlabel("batches, those of the augmentor included")
    for ax in axes:
        _shade(ax, x, lines)
        ax.set_ylim(bottom=0)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(
                ncols=3,
                columnspacing=1.0,
                fontsize=8,
                loc="lower left",
                bbox_to_anchor=(-0.02, 1.0),
                borderaxespad=0.1,
                handlelength=1.4,
            )


def _error(ax: Axes, x: list[float], lines: Sequence[Mapping[str, Any]], unit: str) -> None:
    _line(ax, x, _gauge(lines, "error"), "student", 0)
    _line(ax, x, _gauge(lines, "teacher_error"), "teacher", 1)
    for name, dash in (("l_max", "--"), ("l_min", ":")):
        found = _gauge(lines, name)
        if found[-1] == found[-1]:
            ax.axhline(found[-1], color=COLOURS[6], linestyle=dash, linewidth=1.2, label=f"{name} {found[-1]:g}")
            if name == "l_max":
                ax.fill_between([], [], color=COLOURS[7], alpha=SHADE, linewidth=0, label="augmentor moves")
    ax.set_ylabel(unit)


def _shade(ax: Axes, x: list[float], lines: Sequence[Mapping[str, Any]]) -> None:
    """Shade the stretches in which the augmentor moved, the darker the more of their batches were its own."""
    last_x, last_step = 0.0, 0.0
    for at, line in zip(x, lines, strict=True):
        own = min(1 - (line["step"] - last_step) / max(at - last_x, 1.0), 1.0)
        if own > 0:
            ax.axvspan(last_x, at, color=COLOURS[7], alpha=SHADE * own, linewidth=0, zorder=0)
        last_x, last_step = at, float(line["step"])


def _line(ax: Axes, x: list[float], y: list[float], name: str, colour: int, **more: Any) -> None:
    """A line with a dot at each value, so that one that stands alone is seen; nothing where there is no value."""
    if any(value == value for value in y):
        ax.plot(x, y, color=COLOURS[colour], label=name, linewidth=1.0, marker=".", markersize=2.5, **more)


def _gauge(lines: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [_of(line, "gauges", name) for line in lines]


def _of(line: Mapping[str, Any], kind: str, name: str) -> float:
    found = number(line.get(kind) or {}, name)
    return nan if found is None else found
