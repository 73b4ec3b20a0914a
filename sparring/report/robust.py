"""How students hold out on corrupted images and on ImageNet's variants: what `sparring evaluate` left in their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sparring.report.groups import Arm, Group
from sparring.report.ledger import Run, kept, number
from sparring.report.table import Cell, Table, filled, spread

VARIANTS = {
    "real": "ReaL",
    "v2": "V2",
    "a": "ImageNet-A",
    "r": "ImageNet-R",
    "c": "ImageNet-C",
    "sketch": "Sketch",
    "style": "Style",
}


@dataclass(frozen=True, slots=True)
class Robust:
    """Corrupted accuracies that can be set side by side: of the same corruptions, made or fetched alike.

    title: whose corruptions, and where they come from; means: a row a corruption and a column an arm; levels: a row
    for each of both, and a column a severity; images: how many were corrupted; left_out: what could not be made.
    """

    title: str
    means: Table
    levels: Table
    images: int
    left_out: str


def corrupted(group: Group) -> list[Robust]:
    """The corrupted accuracies in a group, one for each benchmark and source that its runs were measured on."""
    told = {run.path: kept(run, "corruptions.json") for arm in group.arms for run in arm.runs}
    told = {path: each for path, each in told.items() if each.get("accuracy")}
    origins = list(dict.fromkeys(map(_origin, told.values())))
    return [_robust(group, origin, {p: t for p, t in told.items() if _origin(t) == origin}) for origin in origins]


def variants(group: Group) -> Table | None:
    """Accuracy on ImageNet's variants (for -C the mean corruption error, lower is better), a row an arm; None where
    nothing was measured."""
    columns: dict[str, list[Cell]] = {"method": [Cell(arm.label, arm.label) for arm in group.arms]}
    for kind, shown in VARIANTS.items():
        key = "mce" if kind == "c" else "accuracy"
        head = f"{shown}, {'mCE, %' if kind == 'c' else '%'}"
        columns[head] = [_cell(arm, lambda run, kind=kind, key=key: _variant(run, kind, key)) for arm in group.arms]
    found = filled(columns)
    return found if len(found.head) > 1 else None


def _variant(run: Run, kind: str, key: str) -> float | None:
    return number(kept(run, "imagenet.json"), kind, key)


def _origin(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(told[key] for key in ("benchmark", "source", "part", "images"))


def _robust(group: Group, origin: tuple[Any, ...], told: Mapping[Any, Mapping[str, Any]]) -> Robust:
    names = list(dict.fromkeys(name for each in told.values() for name in each["accuracy"]))
    arms = [arm for arm in group.arms if any(run.path in told for run in arm.runs)]
    levels = sorted({level for each in told.values() for row in each["accuracy"].values() for level in row} - {"0"})

    def of(arm: Arm, pick: Callable[[Mapping[str, Any]], float | None]) -> Cell:
        return _cell(arm, lambda run: pick(told[run.path]) if run.path in told else None)

    common = {name: _common(told.values(), name) for name in names}
    heads = ("clean", *names, *(["mean of all"] if len(names) > 1 else []))
    means: dict[str, list[Cell]] = {"corruption": [Cell(name, name) for name in heads]}
    for arm in arms:
        cells = [of(arm, lambda each: number(each, "clean"))]
        cells += [of(arm, lambda each, name=name: _mean(each, name, common[name])) for name in names]
        if len(names) > 1:
            cells.append(of(arm, lambda each: _mean_of_all(each, common)))
        means[f"{arm.label}, %"] = cells
    detail: dict[str, list[Cell]] = {
        "corruption": [Cell(name, name) for name in names for _ in arms],
        "method": [Cell(arm.label, arm.label) for _ in names for arm in arms],
    }
    for level in levels:
        detail[f"severity {level}, %"] = [
            of(arm, lambda each, name=name, level=level: number(each, "accuracy", name, level))
            for name in names
            for arm in arms
        ]
    left = {name: why for each in told.values() for name, why in (each.get("skipped") or {}).items()}
    kind, source, part, images = origin
    title = f"{kind}, {source}" + (f", {part} images" if part != "test" else "")
    left_out = "; ".join(f"{name} {why}" for name, why in left.items())
    return Robust(title, filled(means), filled(detail), images, left_out)


def _common(told: Iterable[Mapping[str, Any]], name: str) -> set[str]:
    """The severities of a corruption that every run has which measured it: means over others cannot be compared."""
    return set.intersection(*(set(each["accuracy"][name]) for each in told if name in each["accuracy"]))


def _mean(told: Mapping[str, Any], name: str, levels: set[str]) -> float | None:
    """The mean accuracy under a corruption over some severities."""
    values = [number(told, "accuracy", name, level) for level in levels]
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mean_of_all(told: Mapping[str, Any], common: Mapping[str, set[str]]) -> float | None:
    """The mean over all corruptions; None for a run that lacks one."""
    values = [_mean(told, name, levels) for name, levels in common.items()]
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _cell(arm: Arm, pick: Callable[[Run], float | None]) -> Cell:
    values = [value for run in arm.runs if (value := pick(run)) is not None]
    return spread(values, 100)
