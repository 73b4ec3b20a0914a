"""Where many runs are carried out: processes of this machine, Ray, or Slurm; one small interface for all of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sparring.errors import UserError
from sparring.launch.tasks import Ended, Errand, Task

KINDS = ("local", "ray", "slurm")


@dataclass(frozen=True, slots=True)
class Where:
    """Where runs are carried out, and what each of them is given.

    on: "local" (as many processes as this machine has room for), "local:N" (N at a time; with 1 in this very process),
    "ray" (the cluster of RAY_ADDRESS, else a new one on this machine), "ray://HOST:PORT", "slurm" or
    "slurm:KEY=VALUE,…" (sbatch's options; "slurm:local" tries the same path without Slurm).
    cpus: threads of each run; by default a share of this machine's cores, elsewhere 1. gpus: a part of one, or several.
    Raises UserError for any other word.
    """

    on: str = "local"
    cpus: int | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        understood(self.on, f"--on {self.on or repr(self.on)}")
        if self.cpus is not None and self.cpus < 1:
            raise UserError(f"--cpus {self.cpus}: give 1 or more threads for each run")
        if self.gpus is not None and not 0 <= self.gpus < math.inf:
            raise UserError(f"--gpus {self.gpus}: give how many each run needs, such as 0.25 or 1")
        if self.gpus and self.kind == "local":
            raise UserError(f"--gpus {self.gpus} is for ray and slurm: on this machine runs share its GPUs by memory")
        if self.gpus and self.kind == "slurm" and self.gpus % 1:
            raise UserError(f"--gpus {self.gpus:g}: Slurm gives whole GPUs, so give 1 or more of them")

    @classmethod
    def given(cls, on: str | None, cpus: int | None, gpus: float | None) -> Where:
        """What a user wants; where nothing is said, what the environment variable SPARRING_ON says."""
        word = os.environ.get("SPARRING_ON")
        if word and on is None:
            understood(word, f"SPARRING_ON={word}")
        return cls(on if on is not None else word or "local", cpus, gpus)

    @property
    def kind(self) -> str:
        """local, ray or slurm."""
        return self.on.partition(":")[0]

    @property
    def rest(self) -> str:
        """What stands behind the kind."""
        return self.on.partition(":")[2]


def understood(on: str, said: str) -> None:
    """Raise UserError where a word names no place for runs. said: how the user gave it, which the error begins with."""
    kind, colon, rest = on.partition(":")
    if kind not in KINDS:
        raise UserError(f"{said}: runs are carried out on local, ray or slurm")
    if kind == "local" and colon and not (rest.isdecimal() and rest[0] != "0"):
        raise UserError(f"{said}: give a number of processes, as local:4")
    if kind == "ray" and not re.fullmatch(r"ray(://[^/:]+:\d+)?", on):
        raise UserError(f"{said}: give ray, or a cluster's address as ray://HOST:PORT")
    if kind == "slurm" and colon and rest != "local":
        for each in rest.split(","):
            if not all(each.partition("=")):
                raise UserError(f"{said}: {each!r} is no option; write slurm:partition=gpu,timeout_min=600")


HERE = Where("local:1")


class Lost(Exception):
    """A worker went while it was at work: killed, out of memory, or with its machine. Its task can be done again."""


class Pending(Protocol):
    """A task that was handed over."""

    def done(self) -> bool:
        """Whether it has ended, or is lost."""
        ...

    def result(self) -> Ended:
        """How it ended. Raises Lost; and whatever it raised that is nobody's mistake but ours."""
        ...


class Launcher(Protocol):
    """Carries errands to where they are done. room: how many at a time; threads: of each; pause: seconds between two
    looks at how they stand."""

    room: int
    threads: int
    pause: float

    def submit(self, errand: Errand) -> Pending:
        """Hand one over; it begins as soon as there is room."""
        ...

    def stop(self) -> None:
        """Ask all that are at work to save and to end."""
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...


def launcher(where: Where, tasks: Sequence[Task], memory: int | None) -> Launcher:
    """Who carries out some tasks. memory: bytes of a GPU that one of them takes, where they run on one.

    Raises UserError where an engine is not installed or not there.
    """
    if where.kind == "ray":
        from sparring.launch.on_ray import Ray

        return Ray(where)
    if where.kind == "slurm":
        from sparring.launch.on_slurm import Slurm

        return Slurm(where, common(tasks))
    from sparring.launch.on_local import Local, rooms

    return Local(*rooms(where, len(tasks), memory))


def common(tasks: Sequence[Task]) -> Path:
    """The nearest folder above those that some tasks fill."""
    first, *others = (task.log.absolute().parent.parents for task in tasks)
    return next(folder for folder in first if all(folder in parents for parents in others))
