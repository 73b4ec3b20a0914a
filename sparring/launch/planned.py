"""What a published table takes: which rows and variants are wished for, and the jobs of each, none of them begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sparring.errors import UserError, did_you_mean
from sparring.files import plain_name
from sparring.launch.jobs import Job, seeded
from sparring.recipes import autoencoder
from sparring.recipes import config as schema
from sparring.recipes.cached import unasked
from sparring.recipes.rows import START, VAE, Row


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants otherwise than a recipe has it.

    row: only this one; variants: only these; methods: these, plainly, in place of all variants or beside those named;
    seeds: how many; changes: keys of `Config`, for all runs; a teacher among them takes the place of the row's, and
    epochs are the row's own, to which whatever is longer or shorter keeps its proportion (`lengthened`).
    vae: an autoencoder in place of the row's; elsewhere: a folder of folders, ImageNet's variants.
    """

    row: str | None = None
    variants: Sequence[str] = ()
    methods: Sequence[str] = ()
    seeds: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    vae: str | None = None
    elsewhere: Path | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A row's jobs: its teacher's and its autoencoder's, where it needs them, and by variant its students'."""

    row: Row
    teacher: Job | None
    vae: Job | None
    students: Mapping[str, Sequence[Job]]

    @property
    def runs(self) -> list[Job]:
        """All students' jobs, in the order in which they are run."""
        return [job for jobs in self.students.values() for job in jobs]

    @property
    def jobs(self) -> list[Job]:
        """Everything that is trained."""
        return [job for job in (self.teacher, self.vae) if job is not None] + self.runs


def chosen(rows: Sequence[Row], name: str, wish: Wish) -> list[Row]:
    """The rows that are wished for."""
    found = [row for row in rows if wish.row in (None, row.name)]
    if not found:
        raise UserError(f"{name} has no row {wish.row!r}. {did_you_mean(wish.row or '', [row.name for row in rows])}")
    known = {variant for row in found for variant in row.variants}
    for variant in wish.variants:
        if "=" in variant:
            raise UserError(f"{variant} is a key and no variant: give keys before --variants")
        if variant not in known:
            raise UserError(f"{name} has no variant {variant!r}. {did_you_mean(variant, sorted(known))}")
    return found


def narrowed(row: Row, name: str, wish: Wish) -> Row:
    """A row with the variants that are wished for. Raises UserError where one needs an autoencoder that nobody has."""
    if not (wish.variants or wish.methods):
        kept = dict(row.variants)
    else:
        kept = {key: changes for key, changes in row.variants.items() if key in wish.variants}
        kept |= {plain_name(method): {"method": method} for method in wish.methods}
    needed = {str(changes.get("student")).removeprefix(START) for changes in kept.values()}
    kept = {key: changes for key, changes in row.variants.items() if key in needed and key not in kept} | kept
    lacking = [key for key, changes in kept.items() if VAE in changes.values() and not (row.vae or wish.vae)]
    if lacking and set(lacking) & set(wish.variants):
        raise UserError(f"{name}'s {lacking[0]} needs --vae: a `sparring train-augmentor` run, or diffusers:NAME")
    return replace(row, variants={key: changes for key, changes in kept.items() if key not in lacking})


def planned(row: Row, out: Path, wish: Wish) -> Planned:
    """The jobs of a row. Raises UserError for a method, a key or a value that does not exist."""
    taught = teacher_job(row, out, wish)
    teacher = str(taught.out) if taught else wish.changes.get("teacher", row.student.teacher)
    student = schema.merged(row.student, {**wish.changes, "teacher": teacher})
    drawing = wish.vae is None and any(VAE in changes.values() for changes in row.variants.values())
    vae = drawn(row, out, wish) if drawing else None
    configs = {}
    for name, changes in row.variants.items():
        draws = str(vae.out) if vae else wish.vae
        filled = {key: draws if value == VAE else value for key, value in changes.items()}
        configs[name] = unasked(schema.merged(student, lengthened(filled, row, wish)))
    told, seeds = row.claims if row.like else {}, row.seeds if wish.seeds is None else wish.seeds
    claims = {name: numbers.get("accuracy") or numbers.get("best") for name, numbers in told.items()}
    place = out / row.name
    students = {
        name: [begun(job, place) for job in seeded({name: config}, place, seeds=seeds, claims=claims)]
        for name, config in configs.items()
    }
    return Planned(row, taught, vae, students)


def lengthened(changes: Mapping[str, Any], row: Row, wish: Wish) -> dict[str, Any]:
    """What a variant changes, with the views and epochs that a user wishes for: the latter in proportion to its own, so
    that lines which are compared at equal length stay equally long."""
    wished = {key: value for key, value in wish.changes.items() if key in changes and key in ("epochs", "views")}
    if "epochs" in wished:
        wished["epochs"] = in_proportion(changes["epochs"], row, wish)
    return {**changes, **wished}


def in_proportion(epochs: int, row: Row, wish: Wish) -> int:
    """How many epochs of a row's become, where a user wishes for others."""
    return max(1, round(epochs * wish.changes.get("epochs", row.student.epochs) / row.student.epochs))


def begun(job: Job, out: Path) -> Job:
    """A job whose student starts from another variant's run below `out`, of the same seed, with that run's path."""
    student = job.config.student
    if not student.startswith(START):
        return job
    run = out / student.removeprefix(START) / f"seed-{job.config.seed}"
    return replace(job, config=job.config.model_copy(update={"student": str(run)}))


def teacher_job(row: Row, out: Path, wish: Wish) -> Job | None:
    """The run that trains a row's teacher, or None where one is given. Its seed is its own: whatever seeds are added to
    a table later learn from the same teacher, and none from itself."""
    if wish.changes.get("teacher") or row.teacher is None:
        return None
    changes = {**wish.changes, "epochs": in_proportion(row.teacher.epochs, row, wish), "seed": row.teacher.seed}
    config = unasked(schema.merged(row.teacher, changes))
    apart = (f"-{config.size}px" if config.size else "") + (f"-{row.taught}" if row.taught else "")
    return Job(config, out / "teachers" / f"{plain_name(config.student)}{apart}")


def drawn(row: Row, out: Path, wish: Wish) -> Job:
    """The run that trains a row's autoencoder."""
    assert row.vae is not None
    foreign = {*autoencoder.UNUSED, "method", "student", "optim", "augment"}
    changes = {**wish.changes, "epochs": in_proportion(row.vae.epochs, row, wish), "seed": row.vae.seed}
    config = schema.merged(row.vae, {key: value for key, value in changes.items() if key not in foreign})
    return Job(config, out / "augmentors" / plain_name(f"{Path(config.data).name}-{config.student}"))
