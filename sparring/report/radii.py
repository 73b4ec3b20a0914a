"""What is left of students the further an attack may move pixels: what `evaluate --robust` found, in one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from sparring.report.attacked import ROBUST, where
from sparring.report.figures import Points, line, look, with_legend
from sparring.report.groups import Group
from sparring.report.ledger import kept
from sparring.report.units import NORMS

NEEDED = ("norm", "eps", "part", "images", "curve")


def radii(group: Group) -> list[tuple[str, str]]:
    """(what was measured, an svg element) for each way in which runs of a group were: accuracy under PGD by radius."""
    told: dict[str, dict[int, list[Mapping[str, Any]]]] = {}
    for number, arm in enumerate(group.arms):
        for run in arm.runs:
            for key, entry in kept(run, ROBUST).items():
                if all(entry.get(name) for name in NEEDED):
                    told.setdefault(key, {}).setdefault(number, []).append(entry)
    return [_figure(group, found) for found in told.values()]


def _figure(group: Group, found: Mapping[int, Sequence[Mapping[str, Any]]]) -> tuple[str, str]:
    one = next(iter(found.values()))[0]
    curves = {number: [_curve(entry) for entry in entries] for number, entries in found.items()}
    return where(one), with_legend(lambda ax: _draw(ax, group, curves, one))


def _curve(entry: Mapping[str, Any]) -> Points:
    return [(eps, 100 * accuracy) for eps, accuracy in entry["curve"]]


def _draw(ax: Axes, group: Group, curves: Mapping[int, Sequence[Points]], one: Mapping[str, Any]) -> None:
    for number, points in curves.items():
        colour, dash, marker = look(number)
        line(ax, group.arms[number].label, points, colour, dash=dash, marker=marker)
    eps, last = one["eps"], max(x for each in curves.values() for points in each for x, _ in points)
    ax.axvline(eps, color="#888888", linestyle=":", linewidth=1)
    ax.set_xscale("symlog", linthresh=max(eps / 2, 1e-3))
    ticks = sorted({0.0, eps / 2, eps, 2 * eps, last})
    ax.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel(f"radius, {NORMS.get(one['norm'], one['norm'])}, in pixels of [0, 1]")
    ax.set_ylabel("accuracy under PGD, %")
    ax.set_ylim(bottom=0)
