"""Runs one after the other on this machine, each a resumable folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparring.engine.processes import at_first, together
from sparring.errors import UserError
from sparring.files import plain_name
from sparring.recipes.build import Given
from sparring.recipes.config import Config
from sparring.recipes.folder import claim_folder
from sparring.recipes.published import Claim
from sparring.recipes.run import Result, run


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a grid, its folder, and the published number that it is set beside, where there is one."""

    config: Config
    out: Path
    claim: Claim | None = None


def grid(
    config: Config, out: Path, *, methods: Sequence[str], seeds: int, claims: Mapping[str, Claim] | None = None
) -> list[Job]:
    """The runs of some methods over `seeds` seeds from the configuration's own on: out/METHOD/seed-N.

    The configuration's slot options belong to its own method; the others run as their row of the table says. claims:
    published numbers by method.
    """
    if (out / "config.yaml").exists():
        raise UserError(f"{out} holds a single run, where several were asked for; give another --out")
    plain = {"perturb": {}, "targets": {}, "objective": {}}
    jobs = []
    for method in methods:
        changes = {} if method == config.method else {"method": method, **plain}
        for seed in range(config.seed, config.seed + seeds):
            seeded = config.model_copy(update=changes | {"seed": seed})
            jobs.append(Job(seeded, out / plain_name(method) / f"seed-{seed}", (claims or {}).get(method)))
    return jobs


def run_all(jobs: Sequence[Job], given: Given, *, resume: bool) -> list[Result]:
    """Run every job, all folders claimed before the first begins.

    With `resume`, a finished run is read, an unfinished one goes on, and one that is not there yet begins.
    """
    with together():
        at_first(lambda: claim_all(jobs, resume))
        return [run(job.config, job.out, given=given, resume=resume, claim=job.claim) for job in jobs]


def claim_all(jobs: Sequence[Job], resume: bool) -> None:
    """Raise UserError where any job's folder is taken or cannot be written."""
    for job in jobs:
        claim_folder(job.out, resume)
