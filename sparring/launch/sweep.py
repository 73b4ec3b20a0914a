"""A whole search: looked at before it begins, worked through, its finalists run over new seeds beside the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sparring.engine.processes import world
from sparring.errors import UserError
from sparring.files import locked, plain_name
from sparring.keys import flat
from sparring.launch.carry_out import carry_out, one_by_one
from sparring.launch.claimed import nothing_left, opened, refuse_other
from sparring.launch.jobs import Job, memory_of, require_some, run_all, seeded
from sparring.launch.on_local import rooms
from sparring.launch.planned import Wish
from sparring.launch.search import PATIENCE, Search, note
from sparring.launch.tasks import Task
from sparring.launch.trials import work
from sparring.launch.where import HERE, Where
from sparring.recipes.ahead import Ahead
from sparring.recipes.build import Given
from sparring.recipes.config import Config, merged
from sparring.recipes.judge import reached
from sparring.recipes.paths import anchored
from sparring.recipes.rows import Recipe, Scale
from sparring.recipes.run import Result, say
from sparring.recipes.space import corners, plain, space
from sparring.report.groups import BASELINE, FINALISTS
from sparring.report.swept import DEFAULT

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

ELSEWHERE = 4  # workers on a cluster, where nobody says how many
NAMED = {"teacher": "--teacher", "student": "--student", "data": "--data", "method": "--method"}


@dataclass(frozen=True, slots=True)
class Swept:
    """What a search leaves.

    best: the configuration that was best on validation images over the finalists' seeds, the defaults among them;
    values: what it has of the space, {} where the defaults are best; command: what trains it once more; runs: those of
    the finalists and of the defaults; out: the folder.
    """

    best: Config
    values: Mapping[str, Any]
    command: str
    runs: tuple[Result, ...]
    out: Path

    def report(self) -> Path:
        """Write report.html into the folder, and return its path."""
        from sparring.report import page

        return page([self.out], self.out / "report.html")


def sweep(
    search: Search,
    *,
    finalists: int,
    seeds: int,
    workers: int | None = None,
    where: Where = HERE,
    teacher: Job | None = None,
) -> Swept:
    """Search, then run the `finalists` best over `seeds` seeds that the search did not use, and the defaults beside
    them. What is done is read and the rest goes on.

    workers: how many work on the trials at a time, where they are carried out; by default as many as this machine has
    room for, and elsewhere 4. One alone is the same search every time; of several each trial learns from what had ended
    by then. teacher: the run that all trials learn from, where it is trained first. Raises UserError for what any trial
    would be refused for, before anything is trained, and while other workers' trials are still running.
    """
    require_some(trials=search.trials, finalists=finalists, seeds=seeds, workers=workers)
    if world() > 1:
        raise UserError("a search's workers are processes of their own: start it without torchrun")
    search = replace(search, base=anchored(search.base))
    if search.base.val == 0:
        raise UserError("val=0 holds out no validation images, on which a search judges its trials: give val=0.1")
    if search.shortest is not None and not (1 <= search.shortest <= search.longest and search.eta >= 2):
        raise UserError(
            f"trials cannot be pruned from epoch {search.shortest} on with eta {search.eta}: give --shortest from 1 to "
            f"{search.longest} and --eta of 2 or more"
        )
    refuse_other(search)
    ahead = Ahead(Given())
    if teacher is not None:
        ahead.look(teacher.config, teacher.out)
    look_ahead(search, ahead)
    if teacher is not None:
        run_all([teacher], Given(), resume=True)
    with nothing_left(search.out):
        study = opened(search)
        work_on(search, workers, where)
    return finish(search, study, best(search, study, finalists), seeds, where)


def work_on(search: Search, workers: int | None, where: Where) -> None:
    """Have as many workers as are wanted take trial after trial, until none is left."""
    memory = memory_of([Job(search.base, search.out)])
    if workers is None:
        workers = rooms(where, search.trials, memory)[0] if where.kind == "local" else ELSEWHERE
    if workers == 1 or one_by_one(where):
        work(search)
        return
    tasks = [
        Task(partial(work, search), f"{search.out}, worker {number}", search.out / f".worker-{number}.log")
        for number in range(min(workers, search.trials))
    ]
    carry_out(tasks, where, memory=memory)


def look_ahead(search: Search, ahead: Ahead) -> None:
    """Raise UserError for what a run would be refused for at any corner of the space or by default, and where two of
    these would be judged by different measures. ahead: has seen what is trained before them."""
    configs = {}
    for corner in corners(search.space):
        told = " ".join(f"{key}={plain(value)}" for key, value in corner.items())
        configs[f"a trial with {told}"] = merged(search.base, corner)
    configs["the defaults, which are run beside the best trials,"] = search.base
    within: dict[str, str | None] = {}
    with TemporaryDirectory() as nowhere:
        for at, (told, config) in enumerate(configs.items()):
            try:
                within[told] = ahead.look(config, Path(nowhere) / str(at))
            except UserError as error:
                raise UserError(f"{told} cannot be run: {error}") from error
    (first, measure), *others = within.items()
    for told, other in others:
        if other != measure:
            raise UserError(
                f"{first} is judged {measure}, and {told} {other}, so neither is better than the other: search over "
                "keys that leave the attack as it is"
            )


def best(search: Search, study: Study, count: int) -> list[FrozenTrial]:
    """The best trials that were trained to their end and differ from each other and from the defaults, the best first.

    Raises UserError where some are running still, or none ended well.
    """
    from optuna.trial import TrialState

    if running := study.get_trials(states=(TrialState.RUNNING,)):
        raise UserError(
            f"other workers still have {len(running)} trial{'s' * (len(running) > 1)} of {search.out}; once they are "
            "through, the same command runs the finalists"
        )
    done = study.get_trials(states=(TrialState.COMPLETE,))
    if not done:
        raise UserError(f"none of the {search.trials} trials in {search.out} ended well: `sparring report` says why")
    known, distinct = [search.base], []
    for trial in sorted(done, key=lambda trial: (-(trial.value or 0.0), trial.number)):
        config = merged(search.base, trial.params)
        if config not in known:
            known.append(config)
            distinct.append(trial)
    return distinct[:count]


def finish(search: Search, study: Study, chosen: Sequence[FrozenTrial], seeds: int, where: Where) -> Swept:
    """Run finalists and defaults over new seeds, and find which is best on validation images."""
    from sparring.launch.study import importances

    start = search.base.model_copy(update={"seed": search.base.seed + 1})
    values = {f"trial-{trial.number:04d}": trial.params for trial in chosen}
    configs = {DEFAULT: start} | {name: merged(start, params) for name, params in values.items()}
    say(f"finalists: {', '.join(values)} and the defaults, {seeds} seeds each")
    jobs = seeded(configs, search.out / FINALISTS, seeds=seeds)
    results = run_all(jobs, Given(), resume=True, where=where)
    runs = {name: [r for r in results if r.out.parent.name == name] for name in configs}
    means = {name: fmean(reached(each.metrics["validation"]) for each in of) for name, of in runs.items()}
    winner = max(means, key=lambda name: (means[name], name == DEFAULT))
    config = merged(search.base, values.get(winner, {}))
    typed = command(config, search.out, seeds)
    lines = [
        {
            "name": name,
            "values": values.get(name, {}),
            "validation": means[name],
            "runs": [str(run.out.relative_to(search.out)) for run in of],
        }
        for name, of in runs.items()
    ]
    with locked(search.out, wait=PATIENCE):
        told = {"finalists": lines, "winner": winner, "command": typed, "importances": importances(study)}
        note(search, study, **told)
    return Swept(config, values.get(winner, {}), typed, tuple(results), search.out)


def command(config: Config, out: Path, seeds: int) -> str:
    """What one types to train a configuration over some seeds, beside the search and the student alone."""
    given, usual = flat(config.model_dump(mode="json")), flat(Config().model_dump(mode="json"))
    words = [f"{flag} {quote(str(given[key]))}" for key, flag in NAMED.items() if given[key] is not None]
    words += [
        quote(f"{key}={plain(value)}")
        for key, value in sorted(given.items())
        if key not in NAMED and value != usual.get(key)
    ]
    beside = [] if config.method == BASELINE else ["--baseline"]
    return " ".join(["sparring distill", *words, *beside, "--seeds", str(seeds), "--out", quote(f"{out}-winner")])


def hunted(name: str, recipe: Recipe, scale: Scale, out: Path, wish: Wish, where: Where = HERE) -> Swept:
    """A published search below `out`: its teacher, where none is wished for, then its trials and finalists.

    Raises UserError for a wish that is a table's, and for keys that do not exist.
    """
    assert recipe.hunt is not None
    if replace(wish, seeds=None, changes={}) != Wish():
        raise UserError(f"{name} is a search and no table: it takes keys, --seeds, --scale and --out alone")
    hunt, taught = recipe.hunt(scale), None
    student = merged(hunt.student, wish.changes)
    if student.teacher is None:
        foreign = {"epochs", "method", "student", "optim", "perturb", "targets", "objective"}
        config = merged(hunt.teacher, {key: value for key, value in wish.changes.items() if key not in foreign})
        taught = Job(config, out.resolve() / "teachers" / plain_name(config.student))
        student = student.model_copy(update={"teacher": str(taught.out)})
    search = Search(
        student,
        space(hunt.over, student),
        out,
        trials=hunt.trials,
        shortest=min(hunt.shortest, student.epochs),
        eta=hunt.eta,
        note=hunt.note,
        scale=scale,
    )
    seeds = hunt.seeds if wish.seeds is None else wish.seeds
    return sweep(search, finalists=hunt.finalists, seeds=seeds, where=where, teacher=taught)
