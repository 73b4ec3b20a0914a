"""What one can do, in Python; the command line has the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring import data as datasets
from sparring import nets, report
from sparring.core import Network
from sparring.errors import UserError, did_you_mean
from sparring.launch.local import Cell, grid, run_all
from sparring.methods import METHODS
from sparring.recipes import config as schema
from sparring.recipes import published
from sparring.recipes.build import Given
from sparring.recipes.check import Check, inspect
from sparring.recipes.config import Config
from sparring.recipes.examine import examine
from sparring.recipes.run import Result
from sparring.report.groups import BASELINE


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What a call of `train` or `distill` leaves.

    student: the method's student (of the first seed), ready to answer; metrics: its result.json; runs: every run,
    baseline included; out: the folder they lie in.
    """

    student: Network
    metrics: dict[str, Any]
    runs: tuple[Result, ...]
    out: Path

    def report(self) -> Path:
        """Write report.html beside the runs, and return its path."""
        return report.page([self.out], self.out / "report.html")

    def __repr__(self) -> str:
        accuracy = (self.metrics.get("test") or self.metrics.get("validation") or {}).get("accuracy")
        return f"Outcome({len(self.runs)} runs in {self.out}, {self.metrics['method']}: accuracy {accuracy})"

    def markdown(self) -> str:
        """The table and the verdicts in Markdown."""
        return report.markdown([self.out])


def distill(
    teacher: Any = None,
    student: Any = None,
    data: Any = None,
    *,
    method: str | None = None,
    out: str | Path,
    baseline: bool = False,
    seeds: int = 1,
    resume: bool = False,
    config: Config | None = None,
    **options: Any,
) -> Outcome:
    """Train a student with the help of a teacher.

    teacher, student: a spec (see `sparring list nets`) or an `nn.Module`; data: a name, a folder, or a Dataset.
    method: a row of `sparring list methods` (kd if none is given). out: the folder to fill. baseline: also train the
    same student alone, with the same budget and seeds. seeds: how many. config: a configuration to start from.
    options: any key of `sparring.recipes.config.Config`, dotted ones as {"optim.lr": 0.1} or nested. A module that is
    handed over is used itself: the teacher is put into eval mode, the student is trained in place. Raises UserError
    for mistakes.
    """
    named, given = split_given(teacher=teacher, student=student, data=data)
    changes = named | ({"method": method} if method else {}) | options
    chosen = schema.merged(config or Config(), changes)
    return fight(chosen, Path(out), given, baseline=baseline, seeds=seeds, resume=resume)


def train(
    net: Any = None, data: Any = None, *, out: str | Path, seeds: int = 1, resume: bool = False, **options: Any
) -> Outcome:
    """Train a network alone, on labels: a teacher, or a baseline. Arguments as in `distill`."""
    named, given = split_given(student=net, data=data)
    chosen = schema.merged(Config(), named | {"method": BASELINE} | options)
    return fight(chosen, Path(out), given, baseline=False, seeds=seeds, resume=resume)


def fight(config: Config, out: Path, given: Given, *, baseline: bool, seeds: int, resume: bool) -> Outcome:
    """One run in `out`, or a grid of methods × seeds below it, with a report over all of them."""
    if seeds < 1:
        raise UserError(f"seeds={seeds}: give 1 or more")
    methods = [config.method] + ([BASELINE] if baseline and config.method != BASELINE else [])
    cells = [Cell(config, out)] if seeds == len(methods) == 1 else grid(config, out, methods=methods, seeds=seeds)
    results = tuple(run_all(cells, given, resume=resume))
    return Outcome(results[0].student, dict(results[0].metrics), results, out)


def check(config: Config, given: Given | None = None, *, out: Path | None = None) -> Check:
    """What a run of `config` into `out` would do, without doing it; see `sparring.recipes.check`."""
    return inspect(config, given or Given(), out)


def evaluate(run: str | Path, *, part: str = "test", curve: bool = False) -> dict[str, float]:
    """How good, how calibrated, how close to its teacher and how costly a run's student is; see `recipes.examine`."""
    return examine(Path(run), part=part, curve=curve)


def reproduce(
    name: str,
    out: str | Path,
    *,
    scale: published.Scale = "cpu",
    row: str | None = None,
    seeds: int | None = None,
    methods: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Run the rows of a published table at a scale, below `out`, and return the report's path.

    Teachers are trained where they are missing; what is finished is read, the rest goes on. row: only this one; seeds,
    methods: in place of the recipe's own (the baseline and the table's methods); changes: keys of `Config`, for all.
    """
    rows = [found for found in published.find(name).rows(scale) if row in (None, found.name)]
    if not rows:
        known_rows = [found.name for found in published.find(name).rows(scale)]
        raise UserError(f"{name} has no row {row!r}. {did_you_mean(row or '', known_rows)}")
    for found in rows:
        place = Path(out) / found.name
        settings = schema.merged(found.teacher, changes or {})
        size = f"-{settings.size}px" if settings.size else ""
        teacher = Cell(settings, Path(out) / "teachers" / f"{settings.student}{size}")
        run_all([teacher], Given(), resume=True)
        student = schema.merged(found.student, {**(changes or {}), "teacher": str(teacher.out)})
        wanted = list(methods or (BASELINE, *(found.claims or ("kd", "da"))))
        cells = grid(student, place, methods=wanted, seeds=seeds or found.seeds, claims=found.claims)
        run_all(cells, Given(), resume=True)
    return report.page([out], Path(out) / "report.html")


def known(what: str) -> dict[str, str]:
    """The names of the methods, nets, data or recipes that there are, each with a line about it."""
    if what == "methods":
        return {name: slots.about for name, slots in METHODS.items()}
    return dict({"nets": nets.names, "data": datasets.names, "recipes": published.names}[what]())


def split_given(**values: Any) -> tuple[dict[str, str], Given]:
    """Names by key, and whatever else was handed over."""
    named = {key: str(value) for key, value in values.items() if isinstance(value, str | Path)}
    objects = {key: value for key, value in values.items() if value is not None and key not in named}
    return named, Given(**objects)
