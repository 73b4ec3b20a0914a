"""How large the student's gradients were in each layer under each method: as they are, and for the loss's size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10, prod
from statistics import fmean
from typing import Any

import numpy as np

from sparring.report.forms import ADDED
from sparring.report.groups import Arm, Group
from sparring.report.heat import heat
from sparring.report.ledger import Run, kept
from sparring.report.table import EMPTY, Cell, Table, filled
from sparring.report.verdict import compare, summary

FILE = "gradients.json"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Layer = tuple[str, str, int]  # its path, its stage, how many weights it has


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run wrote down: the mean |gradient| of each layer over an epoch, of each stage, and the mean loss.

    added: how many layers its method put into the student, which are left out, for others have none to set beside.
    """

    epoch: int
    loss: float
    norm: float
    layers: tuple[Layer, ...]
    means: tuple[float, ...]
    stages: Mapping[str, float]
    added: int

    @property
    def scale(self) -> float | None:
        """What its gradients are divided by to be set beside those of another loss; None where that has no sense."""
        return self.loss if self.loss > 0 else None


@dataclass(frozen=True, slots=True)
class Map:
    """Gradients that can be set side by side: of one network in one epoch, on the same data in batches of one size.

    picture: an svg element. raw, scaled: a row an arm and a column a stage. caveats: why rows may still not be alike.
    """

    epoch: int
    picture: str
    raw: Table
    scaled: Table
    caveats: tuple[str, ...]


def gradients(group: Group) -> list[Map]:
    """The maps of a group's runs, by epoch; none where no run wrote its gradients down."""
    pots: dict[Any, list[tuple[Arm, list[Seen]]]] = {}
    for arm in group.arms:
        if arm.teaches:
            continue
        sorted_out: dict[Any, tuple[list[Run], list[Seen]]] = {}
        for run in arm.runs:
            if (found := seen(run)) is not None:
                key = (found.epoch, found.layers, run.number("batch_size"), run.fingerprint)
                runs, told = sorted_out.setdefault(key, ([], []))
                runs.append(run)
                told.append(found)
        for key, (runs, told) in sorted_out.items():
            pots.setdefault(key, []).append((Arm(arm.label, arm.method, tuple(runs)), told))
    return [_map(pot) for _, pot in sorted(pots.items(), key=lambda item: item[0][0])]


def seen(run: Run) -> Seen | None:
    """What a run wrote down of its gradients; None where there is nothing, or nothing that can be read."""
    told = kept(run, FILE)
    if not told:
        return None
    own = [row for row in told["layers"] if row["stage"] != ADDED]
    return Seen(
        told["epoch"],
        told["loss"],
        told["norm"],
        tuple((row["name"], row["stage"], prod(row["shape"])) for row in own),
        tuple(row["mean"] for row in own),
        {stage: value for stage, value in told["stages"].items() if stage != ADDED},
        len(told["layers"]) - len(own),
    )


def _map(pot: Sequence[tuple[Arm, list[Seen]]]) -> Map:
    first = pot[0][1][0]
    rows = [f"{arm.label} (n={len(told)})" for arm, told in pot]
    panels = {
        "mean |g|": np.array([_means(told, lambda each: 1.0) for _, told in pot]),
        "mean |g| / loss": np.array([_means(told, lambda each: each.scale) for _, told in pot]),
    }
    columns = [(name, stage) for name, stage, _ in first.layers]
    head = {"method": [Cell(arm.label, arm.label) for arm, _ in pot]}
    sizes = {
        "total loss": [spread([each.loss for each in told]) for _, told in pot],
        "norm of the whole gradient": [spread([each.norm for each in told]) for _, told in pot],
    }
    return Map(
        first.epoch,
        heat(rows, columns, panels),
        filled({**head, **_stages(pot, lambda each: 1.0), **sizes}),
        filled({**head, **_stages(pot, lambda each: each.scale)}),
        tuple(_caveats([arm for arm, _ in pot]) + _left_out(pot)),
    )


def _means(told: Sequence[Seen], scale: Callable[[Seen], float | None]) -> list[float]:
    """The mean over seeds of each layer's gradient, each run's for its own scale; NaN where a run has none."""
    scales = [scale(each) for each in told]
    if not all(scales):
        return [float("nan")] * len(told[0].means)
    each = [[value / by for value in seed.means] for seed, by in zip(told, scales, strict=True) if by]
    return [fmean(values) for values in zip(*each, strict=True)]


def _stages(pot: Sequence[tuple[Arm, list[Seen]]], scale: Callable[[Seen], float | None]) -> dict[str, list[Cell]]:
    """A column a stage, all in one power of ten."""
    found = {
        stage: [[each.stages[stage] / by for each in told if (by := scale(each))] for _, told in pot]
        for stage in pot[0][1][0].stages
    }
    largest = max((fmean(values) for cells in found.values() for values in cells if values), default=0.0)
    power = 3 * floor(log10(largest) / 3) if largest > 0 else 0
    unit = f", 10{power}".replace(str(power), str(power).translate(SUPERSCRIPT)) if power else ""
    return {
        f"{stage}{unit}": [spread([value / 10**power for value in values]) for values in cells]
        for stage, cells in found.items()
    }


def spread(values: Sequence[float]) -> Cell:
    """ "0.0123 ± 0.0004 (3)": numbers of any size in three digits, their standard deviation in two, and how many."""
    short = summary(values)
    if short is None:
        return EMPTY
    return Cell(f"{short.mean:.3g}{'' if short.sd is None else f' ± {short.sd:.2g}'} ({short.n})", short.mean)


def _left_out(pot: Sequence[tuple[Arm, list[Seen]]]) -> list[str]:
    """Which arms have layers that are not in the map."""
    return [
        f"{arm.label} put {told[0].added} layers into its student that are left out here."
        for arm, told in pot
        if told[0].added
    ]


def _caveats(arms: Sequence[Arm]) -> list[str]:
    """Why rows of a map may differ by more than their methods, in sentences."""
    seeds = {arm.label: ", ".join(str(run.seed) for run in arm.runs) for arm in arms}
    told = []
    if len(set(seeds.values())) > 1:
        told.append("The seeds are not the same: " + "; ".join(f"{arm}: {those}" for arm, those in seeds.items()) + ".")
    for arm in arms[1:]:
        if unequal := compare(arm, arms[0]).unequal:
            told.append(f"{arm.label} and {arms[0].label} differ in more than the method: {'; '.join(unequal)}.")
    return told
