"""One call, one outcome: a run or a grid of methods × seeds, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring import report
from sparring.core import Network
from sparring.errors import UserError
from sparring.launch.jobs import Job, grid, run_all
from sparring.launch.where import Where
from sparring.recipes.build import Given
from sparring.recipes.config import Config
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


def launch(
    config: Config, out: Path, given: Given, *, baseline: bool, seeds: int, resume: bool, where: Where
) -> Outcome:
    """One run in `out`, or a grid of methods × seeds below it."""
    if seeds < 1:
        raise UserError(f"seeds={seeds}: give 1 or more")
    methods = [config.method] + ([BASELINE] if baseline and config.method != BASELINE else [])
    jobs = [Job(config, out)] if seeds == len(methods) == 1 else grid(config, out, methods=methods, seeds=seeds)
    results = tuple(run_all(jobs, given, resume=resume, where=where))
    return Outcome(results[0].student, dict(results[0].metrics), results, out)
