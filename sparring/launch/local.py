"""Runs one after the other on this machine, each a resumable folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sparring.engine.processes import at_first, together
from sparring.errors import UserError
from sparring.files import plain_name
from sparring.recipes.ahead import Ahead, alike
from sparring.recipes.build import Given
from sparring.recipes.cached import unasked
from sparring.recipes.config import Config
from sparring.recipes.earlier import earlier
from sparring.recipes.folder import EARLIER, claim_folder
from sparring.recipes.rows import Claim
from sparring.recipes.run import Result, run


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a grid, its folder, and the published number that it is set beside, where there is one."""

    config: Config
    out: Path
    claim: Claim | None = None


def grid(config: Config, out: Path, *, methods: Sequence[str], seeds: int) -> list[Job]:
    """The runs of some methods over `seeds` seeds from the configuration's own on: out/METHOD/seed-N.

    The configuration's slot options belong to its own method; the others run as their row of the table says, and
    without the configuration's cache where they ask no teacher.
    """
    plain = {"perturb": {}, "targets": {}, "objective": {}}
    changed = {
        plain_name(method): config
        if method == config.method
        else unasked(config.model_copy(update={"method": method, **plain}))
        for method in methods
    }
    return seeded(changed, out, seeds=seeds)


def seeded(
    configs: Mapping[str, Config], out: Path, *, seeds: int, claims: Mapping[str, Claim | None] | None = None
) -> list[Job]:
    """The runs of some configurations over `seeds` seeds from each one's own on: out/NAME/seed-N.

    configs, claims: by name, the latter what was published. Raises UserError where `out` is itself a run.
    """
    if (out / "config.yaml").exists():
        raise UserError(f"{out} holds a single run, where several were asked for; give another --out")
    return [
        Job(config.model_copy(update={"seed": seed}), out / name / f"seed-{seed}", (claims or {}).get(name))
        for name, config in configs.items()
        for seed in range(config.seed, config.seed + seeds)
    ]


def run_all(jobs: Sequence[Job], given: Given, *, resume: bool) -> list[Result]:
    """Run every job, each after the earlier self that it learns from; all are looked at before the first begins.

    With `resume`, a finished run is read, an unfinished one goes on, and one that is not there yet begins.
    """
    with together():
        at_first(lambda: claim_all(jobs, resume))
        look_ahead(jobs, given)
        return [run_after_earlier(job, given, resume) for job in jobs]


def look_ahead(jobs: Sequence[Job], given: Given) -> None:
    """Raise UserError for what any of some jobs would be refused for; a run that comes first looks for itself."""
    later = len({alike(job.config) for job in jobs}) > 1
    if later or any(given.teacher is None and earlier(job.config) is not None for job in jobs):
        ahead = Ahead(given)
        for job in jobs:
            ahead.look(job.config, job.out)


def run_after_earlier(job: Job, given: Given, resume: bool) -> Result:
    """One job, taught by the run below its folder that its method wants first, if there is none to teach it.

    A student that was handed over from Python can be found by no path, so its earlier self is handed on itself.
    """
    config, first = job.config, earlier(job.config) if given.teacher is None else None
    if first is None:
        return run(config, job.out, given=given, resume=resume, claim=job.claim)
    taught = run(first, job.out / EARLIER, given=given, resume=resume)
    if given.student is None:
        config = config.model_copy(update={"teacher": str(taught.out)})
    else:
        given = replace(given, teacher=taught.student)
    return run(config, job.out, given=given, resume=True, claim=job.claim)


def claim_all(jobs: Sequence[Job], resume: bool) -> None:
    """Raise UserError where any job's folder is taken or cannot be written."""
    for job in jobs:
        claim_folder(job.out, resume)
