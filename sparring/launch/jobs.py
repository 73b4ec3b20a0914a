"""Which runs a grid takes, each a resumable folder, and how they become tasks that anyone can carry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from sparring import nets
from sparring.engine.device import choose_device
from sparring.engine.processes import at_first, together
from sparring.errors import UserError
from sparring.files import plain_name, read_json
from sparring.keys import flat
from sparring.launch.carry_out import carry_out, one_by_one
from sparring.launch.carry_out import here as do_here
from sparring.launch.tasks import LOG, Task
from sparring.launch.where import HERE, Where
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

    configs, claims: by name, the latter what was published. Raises UserError for no seeds, and where `out` is itself a
    run, or one method's folder of a grid.
    """
    require_some(seeds=seeds)
    if (out / "config.yaml").exists():
        raise UserError(f"{out} holds a single run, where several were asked for; give another --out")
    if inside := sorted(out.glob("seed-*/config.yaml")):
        raise UserError(
            f"{out} holds the runs of one method ({inside[0].parent.name}), and each method's go into a folder below "
            f"--out; to go on with the grid that it is part of give {out.absolute().parent}, or else another --out"
        )
    return [
        Job(config.model_copy(update={"seed": seed}), out / name / f"seed-{seed}", (claims or {}).get(name))
        for name, config in configs.items()
        for seed in range(config.seed, config.seed + seeds)
    ]


def require_some(**numbers: int | None) -> None:
    """Raise UserError where one of some numbers that were given, by what its user calls it, is below 1."""
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: give 1 or more")


def run_all(jobs: Sequence[Job], given: Given, *, resume: bool, where: Where = HERE) -> list[Result]:
    """Run every job, each after what it learns from or starts from; all are looked at before the first begins.

    With `resume`, a finished run is read, an unfinished one goes on, and one that is not there yet begins. where: who
    carries them out; what was handed over from Python, and a single run, stay in this process.
    """
    here = len(jobs) == 1 or not by_name(given) or one_by_one(where)
    with together():
        at_first(lambda: claim_all(jobs, resume))
        look_ahead(jobs, given, here=here)
        if here:
            done: dict[Path, Result] = {}

            def work(job: Job) -> None:
                done[job.out] = run_after_earlier(job, given, resume)

            do_here(tasks(jobs, work=work), where)
            return [done[job.out] for job in jobs]
    carry_out(tasks(jobs), where, memory=memory_of(jobs))
    return [read(job.out) for job in jobs]


def by_name(given: Given) -> bool:
    """Whether nothing was handed over, so that any process can make all that a run needs."""
    return given.teacher is None and given.student is None and given.data is None


def tasks(jobs: Sequence[Job], before: Sequence[Task] = (), work: Callable[[Job], None] | None = None) -> list[Task]:
    """Some jobs as tasks; each needs those before it whose folder its configuration names. work: in place of `train`,
    of tasks that stay in this process."""
    found: list[Task] = []
    for job in jobs:
        words = named(job.config)
        needs = frozenset(task.name for task in (*before, *found) if task.name in words)
        found.append(Task(partial(work or train, job), str(job.out), job.out / LOG, needs))
    return found


def named(config: Config) -> set[str]:
    """Every word of a configuration, and the members of ensembles in it."""
    words = {value for value in flat(config.model_dump(mode="json")).values() if isinstance(value, str)}
    return words.union(*(team[0] for word in words if (team := nets.team(word)) is not None))


def train(job: Job) -> None:
    """Do a job, in whatever process, and leave what comes of it in its folder alone."""
    run_after_earlier(job, Given(), resume=True)


def memory_of(jobs: Sequence[Job]) -> int | None:
    """The bytes of a GPU that one of some jobs takes, as the look ahead has seen it; None where they use none."""
    if not (torch.cuda.is_available() and any(choose_device(job.config.device).type == "cuda" for job in jobs)):
        return None
    needed = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    return needed


def read(out: Path) -> Result:
    """A run that is over, from its folder."""
    return Result(nets.load(str(out)).eval(), read_json(out / "result.json"), out)


def look_ahead(jobs: Sequence[Job], given: Given, *, here: bool) -> None:
    """Raise UserError for what any of some jobs would be refused for; a run that comes first looks for itself, where
    they are done here."""
    later = not here or len({alike(job.config) for job in jobs}) > 1
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # `memory_of` asks for what looking takes
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
