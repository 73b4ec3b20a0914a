"""Runs as Slurm jobs, by submitit; or by its local executor, which does the same without Slurm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring.errors import UserError, first_line
from sparring.launch.on_local import cores
from sparring.launch.tasks import Ended, Errand
from sparring.launch.where import Lost, Where

LOCAL = "local"
JOBS = ".slurm"  # the folder, beside the runs, of what Slurm is handed and gives back
QUEUE = 10_000  # all at once: Slurm has a queue of its own
DAY = 24 * 60  # minutes


class Queued:
    """A task in Slurm's queue, or at work."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def done(self) -> bool:
        return self.job.done()

    def result(self) -> Ended:
        from submitit.core.utils import UncompletedJobError  # pyright: ignore[reportMissingImports]

        try:
            return self.job.result()
        except UncompletedJobError as error:
            raise Lost from error


class Requeued:
    """An errand that submitit hands in again, as it is, where Slurm takes its machine away or its time is up."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand

    def __call__(self) -> Ended:
        return self.errand()

    def checkpoint(self) -> Any:
        """What submitit asks for then: the run's own folder holds all there is to keep."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self)


class Slurm:
    """Hands tasks to Slurm, each a job of its own. folder: on a disk that all machines see."""

    pause = 1.0

    def __init__(self, where: Where, folder: Path) -> None:
        try:
            import submitit  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UserError("--on slurm needs a package that is not here: pip install 'sparring[cluster]'") from error
        options = {} if where.rest in ("", LOCAL) else parsed(where)
        self.threads, self.jobs = where.cpus or 1, []
        self.room = max(1, cores() // self.threads) if where.rest == LOCAL else QUEUE
        gpus = {"gpus_per_node": int(where.gpus)} if where.gpus else {}
        cluster = LOCAL if where.rest == LOCAL else "slurm"
        try:
            self.executor = submitit.AutoExecutor(folder / JOBS, cluster=cluster)
            self.executor.update_parameters(
                name="sparring", timeout_min=DAY, cpus_per_task=self.threads, **gpus, **options
            )
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise UserError(
                f"--on {where.on}: {first_line(error).rstrip('.?!')}; `slurm:local` tries it without Slurm"
            ) from error

    def submit(self, errand: Errand) -> Queued:
        self.jobs.append(self.executor.submit(Requeued(errand)))
        return Queued(self.jobs[-1])

    def stop(self) -> None:
        for job in self.jobs:
            if not job.done():
                job.cancel()

    def close(self) -> None:
        """Nothing is held here."""


def parsed(where: Where) -> dict[str, Any]:
    """sbatch's options, as submitit calls them, from "partition=gpu,time=60"."""
    found: dict[str, Any] = {}
    for each in where.rest.split(","):
        key, _, value = each.partition("=")
        known = key if key in ("timeout_min", "mem_gb", "nodes") else f"slurm_{key.removeprefix('slurm_')}"
        found[known] = int(value) if value.isdecimal() else value
    return found
