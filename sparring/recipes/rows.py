"""What a published table is made of: claims, rows, and the recipe that makes the rows at a scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any, Literal

from sparring.recipes.config import Config

Scale = Literal["smoke", "cpu", "full"]
TEACHER = "teacher"  # the line of a table that is the teacher itself
VAE = "the row's autoencoder"  # stands in a variant's changes for what the row's `vae` leaves
START = "the row's run of "  # begins a student's name in a variant's changes: the run of another variant, same seed


def start(variant: str) -> str:
    """The student of a row's run of `variant` with the same seed, as what another variant starts from."""
    return START + variant


@dataclass(frozen=True, slots=True)
class Claim:
    """A published number in %, mean ± sd over n runs, under a protocol ("best epoch on test"); None: not told."""

    source: str
    mean: float
    sd: float | None
    n: int | None
    protocol: str

    @classmethod
    def of_sem(cls, source: str, mean: float, sem: float | None, n: int, protocol: str) -> Claim:
        """A number that was published with its standard error over n runs: sd = SEM · √n, as rough as the SEM is."""
        return cls(source, mean, None if sem is None else sem * sqrt(n), None if sem is None else n, protocol)

    def as_dict(self) -> dict[str, Any]:
        """As result.json keeps it."""
        published = {"mean": self.mean, "sd": self.sd, "n": self.n}
        return {"source": self.source, "published": published, "protocol": self.protocol}


@dataclass(frozen=True, slots=True)
class Attack:
    """AutoAttack's standard ensemble in ℓ∞: how far pixels of [0, 1] may move, on how many test images (None: all)."""

    eps: float
    images: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """A teacher, and a student to train in several ways over some seeds.

    teacher: the configuration to train it by; None where the student's names one that is there already, or where it
    must be given (--teacher). taught: what sets that teacher apart from another row's of the same network, in its
    folder's name. student: a configuration; its teacher is filled in. variants: by name what each changes of it (dotted
    keys; `VAE` for the row's autoencoder, as student `start(variant)` for what another, earlier one left).
    claims: what was published, by variant (or TEACHER, or a line that is not run) and by metric: "accuracy", "best" (of
    the best epoch on test), "without", "only", a corruption and severity as "translate/3", one of ImageNet's variants
    as "a", "mce".
    metrics: what is tabled beside what the claims name: of a row with classes omitted "without" and "only" them.
    against: the lines that every other is held against, seed by seed.
    order: pairs of lines, of whose difference the paper makes something: ours is held beside it, paired over the seeds.
    about: what the recipe's claim says, as (line, line, metric): the differences of `order` that its status counts, and
    no others. matched: by a line another one that had as many updates as the line's rivals: they are held against both.
    printed_of: what the published numbers are of, where it is not what the row's name says ("CIFAR-10").
    climbed: whether images are climbed to where a run's student and teacher disagree ("climb/10" among the metrics).
    attack: what the runs are put through once they are there ("autoattack" among the metrics).
    corruptions: which of these are measured once the runs are there. vae: the autoencoder to train first, where a
    variant asks for one; None where it must be given (--vae). like: whether students and data are the paper's, so that
    a difference to its numbers says something. note: what this scale leaves out of the protocol.
    """

    name: str
    teacher: Config | None
    student: Config
    variants: Mapping[str, Mapping[str, Any]]
    claims: Mapping[str, Mapping[str, Claim]]
    seeds: int
    metrics: tuple[str, ...] = ()
    taught: str = ""
    against: tuple[str, ...] = ()
    order: tuple[tuple[str, str], ...] = ()
    about: tuple[tuple[str, str, str], ...] = ()
    matched: Mapping[str, str] = field(default_factory=dict)
    printed_of: str = ""
    climbed: bool = False
    attack: Attack | None = None
    corruptions: tuple[str, ...] = ()
    vae: Config | None = None
    like: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hunt:
    """A published search: the teacher to train first, the student and what is searched over (as `--over` has it), how
    many trials, when they may be pruned (epochs, and of how many one goes on), and how the finalists are checked.
    printed: what the paper found, by key. note: what this scale leaves out of the protocol."""

    teacher: Config
    student: Config
    over: tuple[str, ...]
    printed: Mapping[str, Any]
    trials: int
    shortest: int
    eta: int
    finalists: int
    seeds: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A table, a search or a figure: a line about it, and how it is made.

    rows: those of a table at a scale. hunt: a search at a scale, in place of `rows`. draw: of a figure that is no grid
    of runs, in place of `rows`: fills a folder at a scale with a number of seeds (None: its own) and returns its page.
    paper, shows, claim: whose, which of its tables or figures, and what that says, each in a few words; which of its
    rows' differences the claim means, the rows say (`Row.about`). needs: (key of the configuration, scale) where a user
    must give it, and what to say where it is missing. scales: those there are.
    place: whose folder the runs lie in by default, where they are another recipe's.
    """

    about: str
    rows: Callable[[Scale], list[Row]] | None = None
    hunt: Callable[[Scale], Hunt] | None = None
    draw: Callable[[Path, Scale, int | None], Path] | None = None
    needs: Mapping[tuple[str, Scale], str] = field(default_factory=dict)
    scales: tuple[Scale, ...] = ("smoke", "cpu", "full")
    place: str | None = None
    paper: str = ""
    shows: str = ""
    claim: str = ""
