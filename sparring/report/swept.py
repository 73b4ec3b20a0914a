"""What a search left to be reported: the sweep.json of a folder, read, and its finalists' runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from sparring.report.kinds import PGD, Amount, Count, Form, Number, Share
from sparring.report.ledger import Run, lying, number, runs
from sparring.report.reading import Odd, read

SWEEP = "sweep.json"
DEFAULT = "default"


class Trial(Form):
    """A trial. value: what it is judged by, once it ended; epochs: how many it was trained for."""

    number: Count
    values: dict[str, Any]
    state: Literal["running", "complete", "pruned", "fail", "waiting"]
    value: Share | None
    epochs: Count
    run: str
    images: Amount | None
    seconds: Amount | None
    judged: str | None = None
    why: str | None


class Dimension(Form):
    """A key that is searched over."""

    key: str
    choices: list[Any]
    low: Number
    high: Number
    log: bool


class Finalist(Form):
    """What was run over new seeds. validation: the mean over these of what trials are judged by."""

    name: str
    values: dict[str, Any]
    validation: Share
    runs: list[str]


class Sweep(Form):
    """sweep.json."""

    study: str
    wanted: Count
    space: list[Dimension]
    trials: list[Trial]
    finalists: list[Finalist] = Field([])
    winner: str | None = None
    command: str | None = None
    importances: dict[str, Share] | None = None
    note: str = ""
    scale: str | None = None


FORM = TypeAdapter(Sweep)


@dataclass(frozen=True, slots=True)
class Line:
    """A finalist: its values of the space, {} of the defaults, its mean on validation images over some seeds, and those
    of its runs that are there still."""

    name: str
    values: Mapping[str, Any]
    validation: float
    seeds: int
    runs: Sequence[Run]

    def tested(self) -> dict[int | None, float]:
        """Its test accuracies by seed."""
        found = ((run.seed, tested(run)) for run in self.runs)
        return {seed: value for seed, value in found if value is not None}


@dataclass(frozen=True, slots=True)
class Swept:
    """A search: sweep.json, and its finalists, the defaults among them, with their runs."""

    folder: Path
    told: Mapping[str, Any]
    lines: Sequence[Line]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """All trials, in order."""
        return self.told["trials"]

    @property
    def attacked(self) -> bool:
        """Whether trials are judged under attack."""
        return any(trial.get("judged") == PGD for trial in self.trials)

    def ended(self, state: str) -> list[dict[str, Any]]:
        """The trials that ended so and have a value."""
        return [each for each in self.trials if each["state"] == state and number(each, "value") is not None]


def read_sweep(folder: Path) -> tuple[dict[str, Any], list[Odd]]:
    """A folder's sweep.json, {} where there is none that can be read; and what of it is left out."""
    return read(folder / SWEEP, FORM)


def sweeps(paths: Iterable[str | Path]) -> list[Swept]:
    """The searches that some folders hold."""
    found = []
    for folder in (file.parent for file in lying(paths, SWEEP)):
        told, _ = read_sweep(folder)
        if told and told["space"]:
            lines = [
                Line(
                    each["name"], each["values"], each["validation"], len(each["runs"]), finished(folder, each["runs"])
                )
                for each in told.get("finalists", ())
            ]
            found.append(Swept(folder, told, lines))
    return found


def tested(run: Run) -> float | None:
    """A run's accuracy on the test images."""
    return run.number("test", "accuracy")


def finished(folder: Path, names: Sequence[str]) -> list[Run]:
    """Those of some runs that are there and ended."""
    there = [folder / name for name in names if (folder / name / "result.json").exists()]
    return [run for run in (runs(there) if there else []) if run.finished]
