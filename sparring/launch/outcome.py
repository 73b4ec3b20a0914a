"""One call, one outcome: a run or a grid of methods × seeds, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from sparring import report
from sparring.core import Network
from sparring.errors import UserError
from sparring.files import plain_name
from sparring.launch.jobs import Job, grid, run_all, seeded
from sparring.launch.where import Where
from sparring.recipes.build import Given
from sparring.recipes.cached import unasked
from sparring.recipes.config import SLOTS, Config, merged, overrides
from sparring.recipes.export import Exported, export
from sparring.recipes.judge import judged_by
from sparring.recipes.run import Result
from sparring.report.groups import BASELINE


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What a call of `train`, `distill` or `compare` leaves.

    student: the (first) method's student (of the first seed), ready to answer; metrics: its result.json; runs: all of
    them, those of the baseline included; out: the folder they lie in.
    """

    student: Network
    metrics: dict[str, Any]
    runs: tuple[Result, ...]
    out: Path

    def report(self) -> Path:
        """Write report.html beside the runs, and return its path."""
        return report.page([self.out], self.out / "report.html")

    def best_on_validation(self) -> Result:
        """The first run of the method whose runs are best on validation images, in the mean, under attack where all of
        them were trained so; without such images, the first run."""
        scores: dict[Path, list[dict[str, float]]] = {}
        for run in self.runs:
            scores.setdefault(run.out.parent, []).append(run.metrics["validation"] or {})
        key = judged_by(*(each for of in scores.values() for each in of))
        best = max(scores, key=lambda place: fmean(each.get(key, 0.0) for each in scores[place]))
        return next(run for run in self.runs if run.out.parent == best)

    def export(self, **how: Any) -> Exported:
        """Write `.student` into files for use elsewhere; how: as `sparring.export`, without the run."""
        return export(self.runs[0], **how)

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
    methods = [config.method] + ([BASELINE] if baseline and config.method != BASELINE else [])
    jobs = [Job(config, out)] if seeds == len(methods) == 1 else grid(config, out, methods=methods, seeds=seeds)
    return outcome(jobs, out, given, resume=resume, where=where)


def outcome(jobs: Sequence[Job], out: Path, given: Given, *, resume: bool, where: Where) -> Outcome:
    """What comes of some jobs below `out`."""
    results = tuple(run_all(jobs, given, resume=resume, where=where))
    return Outcome(results[0].student, dict(results[0].metrics), results, out)


def compare(
    config: Config,
    methods: Sequence[str],
    out: Path,
    given: Given,
    *,
    baseline: bool,
    seeds: int,
    resume: bool,
    where: Where,
) -> Outcome:
    """The same student by several methods, on the same data, split, epochs and seeds: out/METHOD/seed-N.

    methods: each a row of `sparring list methods` or my_method.py:slots, with options of its own behind commas
    ("da,perturb.alpha=0.02"); what the configuration holds for a slot goes for all. Raises UserError for one twice.
    """
    asked = [*methods] + ([BASELINE] if baseline and BASELINE not in methods else [])
    if len(asked) < 2:
        raise UserError("a comparison takes two methods or more, such as kd da dkd (see `sparring list methods`)")
    shared = {slot: options for slot in SLOTS if (options := getattr(config, slot))}
    configs: dict[str, Config] = {}
    for each in asked:
        method, *options = each.split(",")
        if not all((method, *options)):
            raise UserError(f"{each!r} has nothing on one side of a comma: write METHOD or METHOD,key=value")
        name = re.sub(r"[^\w.+-]+", "-", "-".join([plain_name(method), *options]))
        if name in configs:
            raise UserError(f"{each} is there twice; options tell two of one method apart, as {method},optim.lr=0.1")
        changes = {"method": method} | ({} if method == BASELINE else shared)
        configs[name] = unasked(merged(merged(config, changes), overrides(tuple(options))))
    return outcome(seeded(configs, out, seeds=seeds), out, given, resume=resume, where=where)
