"""A published table, run again: its teachers and autoencoders, its students, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sparring.engine.processes import at_first, together, world
from sparring.errors import Taken, UserError
from sparring.files import plain_name, read_json, write_json
from sparring.keys import WHERE, flat
from sparring.launch.carry_out import carry_out
from sparring.launch.jobs import Job, claim_all, memory_of, require_some, tasks
from sparring.launch.planned import Planned, Wish, chosen, narrowed, planned, teacher_job
from sparring.launch.tasks import LOG, Task
from sparring.launch.where import HERE, Where
from sparring.recipes import autoencoder
from sparring.recipes import config as schema
from sparring.recipes.ahead import Ahead
from sparring.recipes.attacked import attacked, library
from sparring.recipes.build import Given
from sparring.recipes.elsewhere import elsewhere, variants_in
from sparring.recipes.examine import examine
from sparring.recipes.rows import TEACHER, Recipe, Row, Scale
from sparring.recipes.run import say
from sparring.recipes.stress import stress

PLAN = ".recipe.json"  # ends the name of what a reproduced table's report is made from


def reproduce(name: str, recipe: Recipe, scale: Scale, out: Path, wish: Wish, where: Where = HERE) -> None:
    """Run a recipe's rows below `out`: teachers where they are missing; what is finished is read, the rest goes on.

    Beside the runs lies `out`/NAME.recipe.json, from which the report sets them beside what is published. Raises
    UserError for a row or variant that does not exist and for what must be given and is not.
    """
    if recipe.rows is None or scale not in recipe.scales:
        raise UserError(f"{name} has no scale {scale!r}; give --scale {' or '.join(recipe.scales)}")
    for (key, needed), sentence in recipe.needs.items():
        if needed == scale and not wish.changes.get(key):
            raise UserError(f"{name} needs --{key}: {sentence}")
    if (out / "result.json").exists():
        raise UserError(f"{out} is a run, and a table's runs lie in a folder of their own: give another --out")
    require_some(seeds=wish.seeds)
    every = recipe.rows(scale)
    wanted = chosen(every, name, wish)
    if any(row.attack for row in wanted):
        library()
    folders = variants_in(wish.elsewhere) if wish.elsewhere else {}
    plans = [planned(narrowed(row, name, wish), out, wish) for row in wanted]
    told = {"name": name, "about": recipe.about, "scale": scale, "rows": [plan_of(row, wish) for row in every]}
    with together():
        at_first(lambda: claim_all([job for plan in plans for job in plan.jobs], resume=True))
        plans = possible(plans, name, recipe, wish)
        at_first(lambda: write_json(out / f"{name}{PLAN}", told))
        many = sum(len(plan.runs) for plan in plans)
        at_first(lambda: say(f"{name}, {scale} scale (--scale): {many} runs in {out}, and what they need"))
    jobs = [job for plan in plans for job in plan.jobs]
    carry_out(in_order(plans, folders), where, memory=memory_of(jobs))


def possible(plans: Sequence[Planned], name: str, recipe: Recipe, wish: Wish) -> list[Planned]:
    """The rows, looked at before anything is trained: what a user asked for and cannot be run is refused, and what the
    recipe alone asks for is told and left out. Raises UserError, where nothing is left too."""
    own = set(flat(wish.changes)) <= WHERE - {"cache"} | {key for key, _ in recipe.needs}
    asked = {*wish.variants, *map(plain_name, wish.methods)}
    refused: dict[str, UserError] = {}

    def looked(line: str, look: Callable[[], None], *, own: bool) -> bool:
        try:
            look()
        except UserError as error:
            if not own or isinstance(error, Taken) or world() > 1:  # of several processes, each would leave out its own
                raise UserError(f"{name}, {line}: {error}") from error
            refused[line] = error
        return line not in refused

    found = []
    with TemporaryDirectory() as shelf:
        ahead = Ahead(Given())
        for plan in plans:
            row = plan.row.name
            if not looked(f"{row}'s teacher", partial(before, plan, ahead, Path(shelf) / row), own=own):
                continue
            students = {
                variant: jobs
                for variant, jobs in plan.students.items()
                if looked(f"{row}/{variant}", partial(each, jobs, ahead), own=own and variant not in asked)
            }
            found += [replace(plan, students=students)] if students else []
    if refused and not found:
        line, error = next(iter(refused.items()))
        raise UserError(f"{name}, {line}: {error}") from error
    for line, error in refused.items():
        at_first(partial(say, f"{line} is left out: {error}"))
    return found


def before(plan: Planned, ahead: Ahead, shelf: Path) -> None:
    """Look at what is trained before a row's students."""
    if plan.teacher is not None:
        each([plan.teacher], ahead)
    if plan.vae is not None:
        ahead.look_at_autoencoder(plan.vae.config, plan.vae.out, shelf)


def each(jobs: Sequence[Job], ahead: Ahead) -> None:
    """Look at some jobs."""
    for job in jobs:
        ahead.look(job.config, job.out)


def in_order(plans: Sequence[Planned], folders: Mapping[str, Path]) -> list[Task]:
    """Some rows as tasks, in an order in which they can be done: each row's teacher and autoencoder, its students, and
    what is measured of each run once it is there."""
    found: dict[str, Task] = {}
    for plan in plans:
        if plan.vae is not None:
            found[str(plan.vae.out)] = Task(partial(train_vae, plan.vae), str(plan.vae.out), plan.vae.out / LOG)
        runs = ([plan.teacher] if plan.teacher else []) + plan.runs
        for task in tasks(runs, [*found.values()]):
            found.setdefault(task.name, task)  # rows may share a teacher
        if plan.row.attack or plan.row.corruptions or plan.row.climbed or folders:
            for job in runs:
                name, work = f"{job.out}: measured", partial(measure, job.out, plan.row, folders)
                found.setdefault(name, Task(work, name, job.out / LOG, frozenset({str(job.out)})))
    return [*found.values()]


def train_vae(job: Job) -> None:
    """Train an autoencoder, in whatever process."""
    autoencoder.train_augmentor(job.config, job.out, resume=True)


def measure(run: Path, row: Row, folders: Mapping[str, Path]) -> None:
    """Attack a run, corrupt the test images for it, and ask it about ImageNet's variants, where that was not done
    before: by one process, where several train as one."""
    with together():
        at_first(lambda: measure_here(run, row, folders))


def measure_here(run: Path, row: Row, folders: Mapping[str, Path]) -> None:
    """As `measure`, in this process."""
    for what, work in asked(run, row, folders):
        try:
            work()
        except UserError as error:  # of this one; the others go on
            say(f"{run}: {what} is not measured: {error}")


def asked(run: Path, row: Row, folders: Mapping[str, Path]) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is to be measured of a run and was not yet, each by name."""
    if row.attack is not None:
        yield "AutoAttack", partial(attacked, run, "standard", eps=row.attack.eps, images=row.attack.images)
    seen = kept(run / "corruptions.json").get("accuracy", {})
    for corruption in row.corruptions:
        name, _, severity = corruption.partition("/")
        if severity not in seen.get(name, {}):
            yield corruption, partial(stress, run, [name], [int(severity)])
    if row.climbed and not (run / "disagreement.json").exists() and kept(run / "result.json").get("teacher"):
        yield "disagreement", partial(examine, run, part="test", curve=True, device=None)
    done = kept(run / "imagenet.json")
    for kind, folder in folders.items():
        if kind not in done:
            yield kind, partial(elsewhere, run, folder, kind)


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
    first = [name for name in row.claims if name == TEACHER or name not in ours]  # and then as they are run
    lines = {name: ours.get(name) for name in dict.fromkeys([*first, *ours])}
    claimed = [metric for numbers in row.claims.values() for metric in numbers]
    metrics = dict.fromkeys([*row.metrics, *(claimed or ["accuracy"]), *row.corruptions])
    return {
        "name": row.name,
        "note": f"{row.note} {otherwise(row, wish)}".strip(),
        "like": row.like,
        "attack": None if row.attack is None else asdict(row.attack),
        "against": [name for name in row.against if name in lines],
        "order": [list(pair) for pair in row.order if set(pair) <= set(lines)],
        "about": [list(each) for each in row.about if set(each[:2]) <= set(lines)],
        "matched": {name: other for name, other in row.matched.items() if other in lines},
        "printed_of": row.printed_of,
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
