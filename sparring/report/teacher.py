"""The student beside its teacher: how far below it is, and how much smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparring.report.groups import Arm, Group
from sparring.report.labels import shortened
from sparring.report.ledger import Run, number
from sparring.report.table import EMPTY, Cell, Table, filled, spread
from sparring.report.units import amount, duration, signed
from sparring.report.verdict import summary

SIZES = {"parameters": "parameters", "macs": "multiply-adds"}


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher that some runs measured: its name, where it came from, and what they found (result.json)."""

    name: str
    spec: str
    facts: Mapping[str, Any]

    def number(self, *keys: str) -> float | None:
        """One of its numbers, such as ``teacher.number("test", "accuracy")``; None where it is not there."""
        return number(self.facts, *keys)


def teachers(group: Group) -> list[Teacher]:
    """The teachers that the runs of a group learned from and measured, each once."""
    found = (_teacher(run) for arm in group.arms for run in arm.runs)
    return list({teacher.spec: teacher for teacher in found if teacher}.values())


def beside(group: Group) -> Table | None:
    """Teachers and students in one table: accuracy, distance, size and time. None where no teacher was measured."""
    known = teachers(group)
    if not known:
        return None
    names = [f"teacher: {each.name}" for each in known] + [f"{group.student}, {arm.label}" for arm in group.arms]
    columns = {"network": [Cell(name, name) for name in names]}
    for part in ("test", "validation"):
        own = [_percent(each.number(part, "accuracy")) for each in known]
        columns[f"{part} accuracy, %"] = own + [spread(arm.values(part, "accuracy"), 100) for arm in group.arms]
        if part == "test":
            columns["against its teacher, points"] = [EMPTY] * len(known) + [_gap(arm, known) for arm in group.arms]
    for key, head, say in (
        ("parameters", "parameters", amount),
        ("macs", "multiply-adds an image", amount),
        ("latency", "one image takes", duration),
    ):
        found = [each.number(key) for each in known] + [_mean(arm, key) for arm in group.arms]
        columns[head] = [EMPTY if value is None else Cell(say(value), value) for value in found]
    return filled(columns)


def sentence(group: Group) -> str | None:
    """How far the best distilled student is from its teacher, and how much smaller; None where that is not known."""
    for arm in group.contenders:
        if all(run.teacher is None for run in arm.runs):
            continue
        teacher = _of(arm, teachers(group))
        ours, theirs = summary(arm.values("test", "accuracy")), teacher and teacher.number("test", "accuracy")
        if teacher is None or ours is None or theirs is None:
            continue
        gap = ours.mean - theirs
        apart = f"{abs(gap) * 100:.2f}"
        way = "as good as" if apart == "0.00" else f"{apart} points {'below' if gap < 0 else 'above'}"
        seen = f"{ours.mean * 100:.2f} against {theirs * 100:.2f} % on the test set"
        sizes = [
            f"{mine / whole:.3g} times its {words}" if mine > whole else f"{mine / whole:.1%} of its {words}"
            for key, words in SIZES.items()
            if (mine := _mean(arm, key)) and (whole := teacher.number(key))
        ]
        having = f", with {' and '.join(sizes)}".replace("%", " %") if sizes else ""
        return f"{arm.label} is {way} its teacher {teacher.name} ({seen}){having}."
    return None


def _teacher(run: Run) -> Teacher | None:
    facts = run.result.get("teacher_facts")
    if not isinstance(facts, Mapping) or run.teacher is None:
        return None
    name = str(facts.get("name") or run.teacher)
    return Teacher(shortened([name])[name], run.teacher, facts)


def _of(arm: Arm, known: list[Teacher]) -> Teacher | None:
    """The one teacher of an arm; for an arm without one, the group's, where that has only one."""
    specs = {run.teacher for run in arm.runs} - {None}
    mine = [each for each in known if each.spec in specs] if specs else known
    return mine[0] if len(mine) == 1 else None


def _gap(arm: Arm, known: list[Teacher]) -> Cell:
    teacher, ours = _of(arm, known), summary(arm.values("test", "accuracy"))
    theirs = teacher.number("test", "accuracy") if teacher else None
    if ours is None or theirs is None:
        return EMPTY
    return Cell(signed(ours.mean - theirs), ours.mean - theirs)


def _percent(fraction: float | None) -> Cell:
    return EMPTY if fraction is None else Cell(f"{fraction * 100:.2f}", fraction * 100)


def _mean(arm: Arm, key: str) -> float | None:
    found = summary(arm.values(key))
    return found.mean if found else None
