"""A published table, run again: its teachers and autoencoders, its students, and what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sparring.engine.processes import at_first, together
from sparring.errors import UserError, did_you_mean
from sparring.files import plain_name, read_json, write_json
from sparring.launch.local import Job, run_all, seeded
from sparring.recipes import autoencoder
from sparring.recipes import config as schema
from sparring.recipes.attacked import attacked, library
from sparring.recipes.build import Given
from sparring.recipes.cached import unasked
from sparring.recipes.elsewhere import elsewhere, variants_in
from sparring.recipes.rows import START, TEACHER, VAE, Recipe, Row, Scale
from sparring.recipes.run import say
from sparring.recipes.stress import stress

PLAN = ".recipe.json"  # ends the name of what a reproduced table's report is made from


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants otherwise than a recipe has it.

    row: only this one; variants: only these; methods: these, plainly, in place of all variants or beside those named;
    seeds: how many; changes: keys of `Config`, for all runs; a teacher among them takes the place of the row's, and
    epochs are the row's own, to which whatever is longer or shorter keeps its proportion (`lengthened`).
    vae: an autoencoder in place of the row's; on: a folder of folders, ImageNet's variants.
    """

    row: str | None = None
    variants: Sequence[str] = ()
    methods: Sequence[str] = ()
    seeds: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    vae: str | None = None
    on: Path | None = None


def reproduce(name: str, recipe: Recipe, scale: Scale, out: Path, wish: Wish) -> None:
    """Run a recipe's rows below `out`: teachers where they are missing; what is finished is read, the rest goes on.

    Beside the runs lies `out`/NAME.recipe.json, from which the report sets them beside what is published. Raises
    UserError for a row or variant that does not exist and for what must be given and is not.
    """
    if recipe.rows is None or scale not in recipe.scales:
        raise UserError(f"{name} has no scale {scale!r}; give --scale {' or '.join(recipe.scales)}")
    for (key, where), sentence in recipe.needs.items():
        if where == scale and not wish.changes.get(key):
            raise UserError(f"{name} needs --{key}: {sentence}")
    if (out / "result.json").exists():
        raise UserError(f"{out} is a run, and a table's runs lie in a folder of their own: give another --out")
    if wish.seeds is not None and wish.seeds < 1:
        raise UserError(f"--seeds {wish.seeds}: give 1 or more")
    every = recipe.rows(scale)
    if any(row.attack for row in every):
        library()
    rows = [narrowed(row, name, wish) for row in chosen(every, name, wish)]
    folders = variants_in(wish.on) if wish.on else {}
    plan = {"name": name, "about": recipe.about, "scale": scale, "rows": [plan_of(row, wish) for row in every]}
    with together():
        at_first(lambda: write_json(out / f"{name}{PLAN}", plan))
        many = sum(len(row.variants) * (wish.seeds or row.seeds) for row in rows)
        at_first(lambda: say(f"{name}, {scale} scale (--scale): {many} runs in {out}, and what they need"))
    for row in rows:
        play(row, out, wish, folders)


def chosen(rows: Sequence[Row], name: str, wish: Wish) -> list[Row]:
    """The rows that are wished for."""
    found = [row for row in rows if wish.row in (None, row.name)]
    if not found:
        raise UserError(f"{name} has no row {wish.row!r}. {did_you_mean(wish.row or '', [row.name for row in rows])}")
    known = {variant for row in found for variant in row.variants}
    for variant in wish.variants:
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


def play(row: Row, out: Path, wish: Wish, folders: Mapping[str, Path]) -> None:
    """Train what a row needs and its students, then measure them all."""
    taught = teacher_job(row, out, wish)
    runs = []
    if taught is not None:
        runs += [result.out for result in run_all([taught], Given(), resume=True)]
    teacher = str(taught.out) if taught else wish.changes.get("teacher", row.student.teacher)
    drawing = wish.vae
    if drawing is None and any(VAE in changes.values() for changes in row.variants.values()):
        drawing = drawn(row, out, wish)
    student = schema.merged(row.student, {**wish.changes, "teacher": teacher})
    configs = {}
    for name, changes in row.variants.items():
        filled = {key: drawing if value == VAE else value for key, value in changes.items()}
        configs[name] = unasked(schema.merged(student, lengthened(filled, row, wish)))
    told, seeds = row.claims if row.like else {}, wish.seeds or row.seeds
    claims = {name: numbers.get("accuracy") or numbers.get("best") for name, numbers in told.items()}
    jobs = [begun(job, out / row.name) for job in seeded(configs, out / row.name, seeds=seeds, claims=claims)]
    runs += [result.out for result in run_all(jobs, Given(), resume=True)]
    with together():
        at_first(lambda: measure(runs, row, folders))


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


def drawn(row: Row, out: Path, wish: Wish) -> str:
    """Train a row's autoencoder where it is missing, and return its folder."""
    assert row.vae is not None
    foreign = {*autoencoder.UNUSED, "method", "student", "optim", "augment"}
    changes = {**wish.changes, "epochs": in_proportion(row.vae.epochs, row, wish), "seed": row.vae.seed}
    config = schema.merged(row.vae, {key: value for key, value in changes.items() if key not in foreign})
    folder = out / "augmentors" / plain_name(f"{Path(config.data).name}-{config.student}")
    return str(autoencoder.train_augmentor(config, folder, resume=True).out)


def measure(runs: Sequence[Path], row: Row, folders: Mapping[str, Path]) -> None:
    """Attack some runs, corrupt the test images for them, and ask them about ImageNet's variants, where that was not
    done before."""
    for run in runs:
        if row.attack is not None:
            try:
                attacked(run, "standard", eps=row.attack.eps, images=row.attack.images)
            except UserError as error:  # of this one; the others go on
                say(f"{run} is not attacked: {error}")
        seen = kept(run / "corruptions.json").get("accuracy", {})
        for corruption in row.corruptions:
            name, _, severity = corruption.partition("/")
            if severity not in seen.get(name, {}):
                stress(run, [name], [int(severity)])
        done = kept(run / "imagenet.json")
        for kind, folder in folders.items():
            if kind not in done:
                elsewhere(run, folder, kind)


def kept(file: Path) -> dict[str, Any]:
    """What an earlier measurement left, or {}."""
    return read_json(file) if file.exists() else {}


def plan_of(row: Row, wish: Wish) -> dict[str, Any]:
    """What the report is told of a row: its lines, where their runs lie below the recipe's folder, and the claims."""
    given = wish.changes.get("teacher") or row.teacher is None
    job = None if given else teacher_job(row, Path(), wish)
    ours = {TEACHER: str(job.out)} if job else {}
    methods = {plain_name(method): {} for method in wish.methods}
    ours |= {name: str(Path(row.name) / name) for name in {**row.variants, **methods}}
    lines = {name: ours.get(name) for name in {**row.claims, **ours}}
    claimed = [metric for numbers in row.claims.values() for metric in numbers]
    metrics = dict.fromkeys([*row.metrics, *(claimed or ["accuracy"]), *row.corruptions])
    return {
        "name": row.name,
        "note": f"{row.note} {otherwise(row, wish)}".strip(),
        "like": row.like,
        "attack": None if row.attack is None else asdict(row.attack),
        "against": [name for name in row.against if name in lines],
        "metrics": list(metrics),
        "lines": [
            {
                "name": name,
                "runs": runs,
                "claims": {metric: claim.as_dict() for metric, claim in row.claims.get(name, {}).items()},
            }
            for name, runs in lines.items()
        ],
    }


def otherwise(row: Row, wish: Wish) -> str:
    """What a user wished for otherwise than the row has it, in a sentence; what the row leaves open is not told."""
    changes = {**wish.changes, "seed": row.student.seed}  # further seeds of the same
    told = schema.differences(row.student, schema.merged(row.student, changes))
    left_open = [f"{key}: " for key in ("data", "teacher") if not getattr(row.student, key)]
    told = [change for change in told if not change.startswith(tuple(left_open))]
    lengths = ", other lengths in proportion" if "epochs" in wish.changes else ""
    return f"Run otherwise than that: {'; '.join(told)}{lengths}." if told else ""
