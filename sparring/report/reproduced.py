"""A reproduced table beside the published one: what `sparring reproduce` left in its folder, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.report.attacked import ATTACKS
from sparring.report.groups import TEACHERS
from sparring.report.ledger import Run, kept, number, runs
from sparring.report.planned import PLANS, planned
from sparring.report.table import EMPTY, Cell, Table, filled, paired, published, spread
from sparring.report.units import signed
from sparring.report.verdict import summary

SHOWN = {
    "accuracy": "test accuracy",
    "best": "best epoch on test",
    "without": "without the omitted",
    "only": "the omitted only",
    "autoattack": "AutoAttack",
    "translate/3": "shifted (MNIST-C translate, severity 3)",
    "real": "ReaL",
    "v2": "V2",
    "a": "ImageNet-A",
    "r": "ImageNet-R",
    "mce": "ImageNet-C, mCE (less is better)",
    "sketch": "Sketch",
    "style": "Style",
}


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One row of a published table. title: which, at what scale; note: the protocols, ours and the paper's."""

    title: str
    note: str
    table: Table


def reproduced(paths: Iterable[str | Path] | str | Path) -> list[Reproduced]:
    """The rows of every recipe whose folder is among `paths`, in which at least one run is finished."""
    found = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for file in sorted(Path(path).glob(PLANS)):
            plan, _ = planned(file)
            rows = (_row(plan, row, Path(path)) for row in plan.get("rows", ()))
            found += [row for row in rows if row is not None]
    return found


def _row(plan: Mapping[str, Any], row: Mapping[str, Any], folder: Path) -> Reproduced | None:
    ours = {line["name"]: _finished(folder / line["runs"]) if line["runs"] else [] for line in row["lines"]}
    if not any(ours.values()):
        return None

    def measured(run: Run, metric: str) -> float | None:
        return _attacked(run, row["attack"]) if metric == "autoattack" else _value(run, metric)

    columns: dict[str, list[Cell]] = {"line": [Cell(line["name"], line["name"]) for line in row["lines"]]}
    for metric in row["metrics"]:
        shown = SHOWN.get(metric, metric)
        values = [
            [v for run in ours[line["name"]] if (v := measured(run, metric)) is not None] for line in row["lines"]
        ]
        claims = [line["claims"].get(metric) for line in row["lines"]]
        columns[f"{shown}: ours, %"] = [spread(each, 100) for each in values]
        columns[f"{shown}: published, %"] = [published(claim) for claim in claims]
        if row["like"]:
            columns[f"{shown}: difference, points"] = [_gap(*pair) for pair in zip(values, claims, strict=True)]
        for line in row.get("against", ()):
            head = f"{shown}: against {line}, points [95 %]"
            columns[head] = [
                EMPTY
                if TEACHERS in Path(each["runs"] or "").parts  # which is no way of training the row's student
                else paired(ours[each["name"]], ours[line], partial(measured, metric=metric))
                for each in row["lines"]
            ]
    told = [claim for line in row["lines"] for claim in line["claims"].values()]
    sources = dict.fromkeys(f"{claim['source']} ({claim['protocol']})" for claim in told)
    missing = " Where no spread is published none is shown." if any(c["published"]["sd"] is None for c in told) else ""
    note = f"{row['note']} " + (f"Published: {'; '.join(sources)}.{missing} " if sources else "") + _ours(ours.values())
    return Reproduced(f"{plan['name']}, {plan['scale']} scale: {row['name']}", note.strip(), filled(columns))


def _finished(folder: Path) -> list[Run]:
    """The finished runs in a line's folder; none where none has begun."""
    try:
        return [run for run in runs(folder) if run.finished]
    except UserError:
        return []


def _value(run: Run, metric: str) -> float | None:
    """A metric of a run, as a fraction."""
    if metric == "accuracy":
        return run.number("test", "accuracy")
    if metric == "best":
        return run.number("test_best", "accuracy")
    if metric == "mce":
        return number(kept(run, "imagenet.json"), "c", "mce")
    if metric in ("without", "only"):
        return run.number(f"test_{metric}", "accuracy")
    name, _, severity = metric.partition("/")
    if severity:
        return number(kept(run, "corruptions.json"), "accuracy", name, severity)
    return number(kept(run, "imagenet.json"), name, "accuracy")


def _attacked(run: Run, attack: Mapping[str, Any]) -> float | None:
    """What AutoAttack's standard ensemble left of a run, asked as the row asks."""
    images, there = attack["images"], (run.result.get("images") or {}).get("test")
    asked = {
        "version": "standard",
        "norm": "linf",
        "eps": attack["eps"],
        "part": "test",
        "finished": True,
        "epoch": None,
    }
    asked["images"] = there if images is None else min(images, there or images)
    for each in kept(run, ATTACKS).values():
        if all(each.get(name) == value for name, value in asked.items()):
            return number(each, "accuracy")
    return None


def _gap(values: list[float], claim: Mapping[str, Any] | None) -> Cell:
    ours = summary(values)
    if ours is None or claim is None:
        return EMPTY
    gap = ours.mean - claim["published"]["mean"] / 100
    return Cell(signed(gap), gap)


def _ours(found: Iterable[list[Run]]) -> str:
    """How our runs were chosen and how long they were, in a sentence."""
    members = [run for each in found for run in each]
    plateau = any((run.config.get("optim") or {}).get("schedule") == "plateau" for run in members)
    which = "the epoch that was best on validation" if plateau else "the last epoch"
    return f"Ours: mean ± sample sd (n seeds), {which}; a difference is of the means."
