"""A student in parts: the exits of one that has several, and what a bias makes of classes that one never saw."""

from __future__ import annotations

from sparring.report.groups import Arm, Group
from sparring.report.ledger import kept, number
from sparring.report.table import Cell, Table, filled, spread
from sparring.report.units import amount
from sparring.report.verdict import summary

BIAS = {"accuracy": "all", "without": "without the omitted", "only": "the omitted only"}


def exits(group: Group) -> Table | None:
    """How good each exit of a group's students is, and what the network up to it costs; None without any."""
    found = [
        (arm, dict.fromkeys(name for run in arm.runs for name in run.result.get("exits", ()))) for arm in group.arms
    ]
    rows = [(arm, name) for arm, names in found for name in names]
    if not rows:
        return None
    columns = {"exit": [Cell(f"{arm.label}, {name}", f"{arm.label}, {name}") for arm, name in rows]}
    columns["test accuracy, %"] = [spread(arm.values("exits", name, "accuracy"), 100) for arm, name in rows]
    for key, head in (("parameters", "parameters"), ("macs", "multiply-adds an image")):
        columns[head] = [_mean(arm.values("exits", name, key)) for arm, name in rows]
    return filled(columns)


def biases(group: Group) -> Table | None:
    """What `sparring evaluate --bias` found for a group's students; None where it was asked of none."""
    arms = [arm for arm in group.arms if any(kept(run, "bias.json") for run in arm.runs)]
    if not arms:
        return None
    columns = {"method": [Cell(arm.label, arm.label) for arm in arms]}
    columns["bias"] = [_of(arm, "bias", 1) for arm in arms]
    for key, shown in BIAS.items():
        columns[f"{shown}, %"] = [_of(arm, key, 100) for arm in arms]
        columns[f"{shown}, biased, %"] = [_of(arm, f"{key}/biased", 100) for arm in arms]
    return filled(columns)


def _of(arm: Arm, key: str, scale: float) -> Cell:
    told = (number(kept(run, "bias.json"), key) for run in arm.runs)
    return spread([value for value in told if value is not None], scale)


def _mean(values: list[float]) -> Cell:
    short = summary(values)
    return Cell("") if short is None else Cell(amount(short.mean), short.mean)
