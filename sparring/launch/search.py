"""A search: what it goes over, as plain data, and the work of one process on it, until its trials are used up.

Several workers are several calls of `work`, in processes of their own, on any machine that sees folder and storage.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.errors import Interrupted, Taken, UserError, first_line
from sparring.files import locked, read_json, write_json
from sparring.keys import WHERE
from sparring.recipes.config import Config, differences, make, merged
from sparring.recipes.earlier import earlier
from sparring.recipes.folder import EARLIER
from sparring.recipes.judge import judged_by, reached
from sparring.recipes.run import run, say
from sparring.recipes.space import Dimension, plain
from sparring.report.swept import SWEEP
from sparring.watch import NotFinite

if TYPE_CHECKING:
    from optuna import Study

TRIALS, WORKER = "trials", ".worker"
NOTHING = {"images": None, "seconds": None, "judged": None, "why": None}  # is known of what a trial took
PRUNED = "pruned: others were better by then"
IN_A_ROW = 3  # trials that cannot be run, one after the other, end a search
PATIENCE = 600.0  # seconds that a worker waits for its turn at the study


@dataclass(frozen=True, slots=True)
class Search:
    """A search over `space`, starting from `base`, in the folder `out`, of `trials` trials.

    seed: the sampler's. shortest: after how many epochs the first trials may be pruned, None for no pruning; of those
    that are looked at together one of `eta` goes on. storage: a database's URL, None for a journal in `out`.
    note: what is to be said beside its results.
    """

    base: Config
    space: tuple[Dimension, ...]
    out: Path
    trials: int = 40
    seed: int = 0
    shortest: int | None = 1
    eta: int = 3
    storage: str | None = None
    note: str = ""

    @property
    def plan(self) -> dict[str, Any]:
        """What makes it this search and no other."""
        config = self.base.model_dump(mode="json", exclude=set(WHERE))
        pruned = {"shortest": self.shortest, "eta": self.eta}
        return {"config": config, "over": [str(each) for each in self.space], "seed": self.seed, **pruned}

    @property
    def name(self) -> str:
        """What its study is called: its folder, and a hash of what it is."""
        digest = hashlib.sha256(json.dumps(self.plan, sort_keys=True).encode()).hexdigest()
        return f"{self.out.absolute().name}-{digest[:8]}"

    @property
    def longest(self) -> int:
        """The epochs of its longest trial."""
        return max(int(end) for end in next((d.ends for d in self.space if d.key == "epochs"), (self.base.epochs,)))

    @property
    def startup(self) -> int:
        """How many trials are drawn at random before the others learn from them."""
        return min(10, max(4, self.trials // 4))

    def pruned(self, prune: bool, shortest: int | None) -> Search:
        """This search with pruning after `shortest` epochs (None: a tenth of the longest training's), or without."""
        after = max(1, self.longest // 10) if shortest is None else shortest
        return replace(self, shortest=after if prune else None)

    def folder(self, number: int) -> Path:
        """Where a trial's run lies."""
        return self.out / TRIALS / f"{number:04d}"


def opened(search: Search) -> Study:
    """The study of a search, made where there is none yet. Raises UserError without Optuna, and where the folder or
    the study is another's."""
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna, which is not installed: pip install 'sparring[hpo]'")
    from sparring.launch import study

    with locked(search.out, wait=PATIENCE):  # two that make a database's tables at once would collide
        refuse_other(search)
        found = study.opened(search.name, search.out, search.storage)
        place = read_json(search.out / SWEEP)["place"] if (search.out / SWEEP).exists() else None
        if (owner := found.user_attrs.get("place")) and owner != place:
            raise Taken(
                f"{study.shown(search.storage or '')} has a study {search.name} already, which belongs to another "
                f"folder than {search.out}: give an --out of another name"
            )
        if place is None:
            place = hashlib.sha256(f"{search.out.absolute()} {search.storage}".encode()).hexdigest()[:16]
            found.set_user_attr("place", place)
        storage = study.shown(search.storage) if search.storage else None
        note(search, found, place=place, storage=storage)
    return found


def refuse_other(search: Search) -> None:
    """Raise Taken where the folder holds a run, or another search."""
    if any((search.out / name).exists() for name in ("config.yaml", "result.json")):
        raise Taken(f"{search.out} is a run, and a search's trials lie in a folder of their own: give another --out")
    if not (search.out / SWEEP).exists():
        return
    before = read_json(search.out / SWEEP)["plan"]
    changed = differences(make(before["config"]), make(search.plan["config"]))
    changed += [
        f"{key}: {before[key]} → {now}" for key, now in search.plan.items() if key != "config" != before[key] != now
    ]
    if changed:
        raise Taken(
            f"{search.out} holds a search with other arguments ({'; '.join(changed[:5])}); give the same to go on with "
            "it, or another --out"
        )


def work(search: Search) -> None:
    """Take trial after trial, those that a killed worker left first, and run each, until as many as are wanted have
    begun. Raises UserError where one after the other cannot be run; what a signal stopped is gone on with next time."""
    study, odd = opened(search), 0
    while True:
        with taken(search, study) as number:
            if number is None:
                return
            error = play(search, study, number)
        odd = odd + 1 if error is not None else 0
        if error is not None and odd == IN_A_ROW:
            raise UserError(f"{odd} trials in a row could not be run; the last: {error}") from error


@contextmanager
def taken(search: Search, study: Study) -> Iterator[int | None]:
    """Have a trial alone: one whose worker is gone, or else a new one; None where there is none left to run."""
    from optuna.trial import TrialState

    from sparring.launch.study import proposed

    with ExitStack() as held:
        with locked(search.out, wait=PATIENCE):
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                if alone(search.folder(trial.number), held):
                    number = trial.number
                    break
            else:
                number = None
                if len(study.get_trials(deepcopy=False)) < search.trials:
                    number = proposed(study, search.space, seed=search.seed, startup=search.startup)
                    held.enter_context(locked(search.folder(number) / WORKER, wait=0))
        yield number


def alone(folder: Path, held: ExitStack) -> bool:
    """Whether nobody works on the trial in `folder`; it is then ours for as long as `held` lasts."""
    try:
        held.enter_context(locked(folder / WORKER, wait=0))
    except UserError:
        return False
    return True


def play(search: Search, study: Study, number: int) -> UserError | None:
    """Run a trial, or go on with it, and tell the study what came of it. Returns why it could not be run, if so."""
    from optuna.trial import TrialState

    from sparring.launch.study import ends, hyperband, tell

    values, out = study.get_trials()[number].params, search.folder(number)
    say(f"trial {number} of {search.trials}: " + " ".join(f"{key}={plain(value)}" for key, value in values.items()))
    config = merged(search.base, values)
    pruner = None if search.shortest is None else hyperband(search.shortest, search.longest, search.eta)

    def hear(epoch: int, scores: Any) -> str | None:
        asked = pruner if epoch < config.epochs else None
        return PRUNED if ends(study, number, epoch, reached(scores), asked) else None

    refused, value, state = None, None, TrialState.FAIL
    try:
        if (first := earlier(config)) is not None:
            taught = run(first, out / EARLIER, resume=True, hear=lambda *_: None)
            config = config.model_copy(update={"teacher": str(taught.out)})
        result = run(config, out, resume=True, hear=hear).metrics
    except Interrupted:
        raise
    except Exception as error:  # of a user's own network or method as well: that is this trial's failure
        ran = {"why": first_line(error)}
        refused = cannot_run(error)
    else:
        stopped = (result.get("stopped") or {}).get("why")
        ran = {"images": result["steps"] * config.batch_size, "seconds": result["seconds"], "why": stopped}
        ran["judged"] = judged_by(result["validation"])
        state = TrialState.PRUNED if stopped == PRUNED else TrialState.COMPLETE
        value = reached(result["validation"]) if state == TrialState.COMPLETE else None
    with locked(search.out, wait=PATIENCE):
        tell(study, number, state, ran, value)
        note(search, study)
    if state != TrialState.COMPLETE:
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    say(f"trial {number}: " + (f"{value:.2%} on validation images" if value is not None else str(ran["why"])))
    return refused


def cannot_run(error: Exception) -> UserError | None:
    """What ended a trial, where that may hold for the others too; None where it is this trial's values' alone."""
    import torch

    if isinstance(error, NotFinite | torch.OutOfMemoryError):
        return None
    return error if isinstance(error, UserError) else UserError(f"{type(error).__name__}: {first_line(error)}")


def note(search: Search, study: Study, **more: Any) -> None:
    """Write down how the search stands, beside what was noted before."""
    file = search.out / SWEEP
    before = read_json(file) if file.exists() else {}
    told = {"plan": search.plan, "study": search.name, "wanted": search.trials, "note": search.note}
    write_json(file, {**before, **told, **stands(search, study), **more})


def stands(search: Search, study: Study) -> dict[str, Any]:
    """The space and the trials, as the report reads them."""
    from sparring.launch.study import RAN

    dimensions = [
        {"key": d.key, "choices": list(d.choices), "low": d.low, "high": d.high, "log": d.log} for d in search.space
    ]
    trials = [
        {
            "number": trial.number,
            "values": trial.params,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "epochs": trial.last_step or 0,
            "run": str(search.folder(trial.number).relative_to(search.out)),
            **NOTHING,
            **trial.user_attrs.get(RAN, {}),
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    return {"space": dimensions, "trials": trials}
