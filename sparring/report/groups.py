"""Which runs may be set beside each other: a group for each data set and student, an arm for each way of training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.keys import LEAVES, WHERE, flat
from sparring.report.augmentation import augmentation
from sparring.report.labels import CONTENTS, SAME, distinct, labels, shortened
from sparring.report.ledger import Run

BASELINE = "ce"
TEACHERS = "teachers"  # the folder in which a reproduced table has those that it trained, which repeat no line of it
FINALISTS = "finalists"  # the folder in which a search has the runs that it ends with
SMOKE = "smoke"  # the scale of a reproduced table at which every line is run, and nothing found out
# What may differ between the seeds of one arm: where and how a run was made, not what was trained.
ASIDE = WHERE | LEAVES | {"seed", "any_teacher"}
TOLD = {"method", "student", "teacher", "data", "epochs", "batch_size", "protocol"}  # these are read from the result
Told = Mapping[Path, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of training, run on some seeds: at most one run a seed, in the order of the seeds.

    label: the method, or the line of a reproduced table, and what sets this arm apart from others. superseded: earlier
    runs of a seed that was run again.
    """

    label: str
    method: str
    runs: tuple[Run, ...]
    superseded: tuple[Run, ...] = ()

    @property
    def teaches(self) -> bool:
        """Whether these are teachers that a reproduced table trained, which are no line of it."""
        return all(run.path.parent.name == TEACHERS for run in self.runs)

    def values(self, *keys: str) -> list[float]:
        """One number of every run that has it, such as ``arm.values("test", "accuracy")``."""
        found = (run.number(*keys) for run in self.runs)
        return [value for value in found if value is not None]


@dataclass(frozen=True, slots=True)
class Group:
    """All finished runs of one student on one data set: the baseline's arms first, then from best to worst on
    validation images, or on test images where an arm has no others. data, student: what they are called, in short."""

    data: str
    student: str
    arms: tuple[Arm, ...]

    @property
    def baselines(self) -> tuple[Arm, ...]:
        """The arms trained on the labels alone, but for the teachers of a reproduced table."""
        return tuple(arm for arm in self.arms if arm.method == BASELINE and not arm.teaches)

    @property
    def searched(self) -> bool:
        """Whether these are the finalists of a search, which differ in what it went over."""
        return all(run.path.parent.parent.name == FINALISTS for arm in self.arms for run in arm.runs)

    @property
    def smoke(self) -> bool:
        """Whether these are runs of a table at smoke scale, whose numbers say nothing."""
        return any(run.scale == SMOKE for arm in self.arms for run in arm.runs)

    @property
    def contenders(self) -> tuple[Arm, ...]:
        """The arms that are not the baseline."""
        return tuple(arm for arm in self.arms if arm.method != BASELINE)


def groups(found: Iterable[Run]) -> list[Group]:
    """Sort finished runs into groups and arms; the unfinished are left out."""
    pots: dict[tuple[str, str], dict[tuple[str | None, str], list[Run]]] = {}
    for run in found:
        if run.finished:
            pots.setdefault((run.data, run.student), {}).setdefault((run.line, run.method), []).append(run)
    data, students = (shortened(sorted({pair[at] for pair in pots})) for at in (0, 1))
    return [Group(data[on], students[net], _labelled(methods)) for (on, net), methods in sorted(pots.items())]


def _labelled(methods: Mapping[tuple[str | None, str], list[Run]]) -> tuple[Arm, ...]:
    """All arms of a group, each with a label that tells it apart from the others."""
    parted = [arm for members in methods.values() for arm in _parted(members)]
    told = named_alike(run for arm in parted for run in arm)
    return _ordered([_arm(*pair) for pair in zip(labels(parted, told), parted, strict=True)])


def settings(run: Run) -> dict[str, str]:
    """What a run was told that may set it apart from others of its method: {dotted name: value}."""
    told: dict[str, Any] = {key: run.result.get(key) for key in ("epochs", "batch_size", "protocol")}
    told |= {key: value for key, value in flat(run.config).items() if key not in ASIDE | TOLD}
    told |= {"teacher": run.teacher, "start": run.result.get("start")}
    told |= {"augment": augmentation(run)}
    told |= {"role": "teacher"} if run.path.parent.name == TEACHERS else {}
    named = {key: re.sub(r"seed[-_=]?\d+", "seed", _said(value)) for key, value in told.items() if value is not None}
    known = {f"{role}'s weights": run.weights(role) for role in ("teacher", "start")} | {CONTENTS: run.fingerprint}
    written = run.manifest.get("files") or {}
    called = shortened(written)
    known |= {called[file]: digest for file, digest in written.items()}
    return named | {key: value[:8] for key, value in known.items() if value}


def _said(value: Any) -> str:
    """A setting as one writes it: of several things "3, 5", of none "none", of so many 255ths "2/255"."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float) and value != round(value, 6) and abs(255 * value - round(255 * value)) < 1e-9:
        return f"{round(255 * value)}/255"
    return str(value)


def _parted(found: list[Run]) -> list[list[Run]]:
    """The arms of one method: runs that were told the same, but for the seed, belong together, unless two of one seed
    had other weights or data under the same names."""
    told = named_alike(found)
    keys = sorted({key for each in told.values() for key in each} - set(SAME))
    apart = [key for key in keys if len(distinct(key, told.values())) > 1]
    apart = [key for key in apart if not _one_a_seed(key, found, told)]
    arms: list[list[Run]] = []
    for members in _sorted_by(apart, found, told):
        differing = [key for key in SAME if _conflicting(key, members, told)]
        arms += _sorted_by(differing, members, told)
    return arms


def named_alike(found: Iterable[Run]) -> dict[Path, dict[str, str]]:
    """The settings of runs; teachers and starts that have the same weights are called by the first one's name."""
    told = {run.path: settings(run) for run in found}
    for role in ("teacher", "start"):
        names: dict[str, str] = {}
        for each in told.values():
            if role in each and (weights := each.get(f"{role}'s weights")):
                each[role] = names.setdefault(weights, each[role])
    return told


def _sorted_by(keys: list[str], found: list[Run], told: Told) -> list[list[Run]]:
    """The runs in pots of the same settings under some keys."""
    pots: dict[tuple[str | None, ...], list[Run]] = {}
    for run in found:
        pots.setdefault(tuple(told[run.path].get(key) for key in keys), []).append(run)
    return list(pots.values())


def _one_a_seed(key: str, found: list[Run], told: Told) -> bool:
    """Whether each seed's student had a start of its own, which then is no more a difference than the seed."""
    pairs = {(run.seed, told[run.path].get(key)) for run in found}
    seeds, values = ({pair[at] for pair in pairs} for at in (0, 1))
    return key == "start" and None not in values and len(pairs) == len(seeds) == len(values)


def _conflicting(key: str, found: list[Run], told: Told) -> bool:
    """Whether two runs of one seed are known to differ in something that has the same name."""
    known = {(run.seed, value) for run in found if (value := told[run.path].get(key)) is not None}
    return len(known) > len({seed for seed, _ in known})


def _arm(label: str, members: list[Run]) -> Arm:
    latest: dict[int | None, Run] = {}
    old: list[Run] = []
    for run in sorted(members, key=lambda run: (str(run.manifest.get("started", "")), str(run.path))):
        if run.seed in latest:
            old.append(latest[run.seed])
        latest[run.seed] = run
    ordered = sorted(latest.values(), key=lambda run: (run.seed is None, run.seed or 0))
    return Arm(label, members[0].method, tuple(ordered), tuple(old))


def _ordered(arms: list[Arm]) -> tuple[Arm, ...]:
    part = "validation" if all(arm.values("validation", "accuracy") for arm in arms) else "test"

    def place(arm: Arm) -> tuple[bool, float, str]:
        accuracy = arm.values(part, "accuracy")
        return arm.method != BASELINE, -sum(accuracy) / len(accuracy), arm.label

    return tuple(sorted(arms, key=place))
