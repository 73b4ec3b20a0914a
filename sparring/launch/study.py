"""A study of Optuna's: opened, asked for the next values and whether to go on, told what came of them.

What is asked is a function of the study's trials alone. No sampler or pruner outlives a question, so that a search
which was killed goes on as the one that was not. Importing this needs the extra `hpo`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import HyperbandPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sparring.errors import UserError, first_line
from sparring.recipes.space import Dimension

logging.getLogger("optuna").setLevel(logging.WARNING)
JOURNAL = "journal.log"
TOLD, RAN = "told", "ran"  # user attributes: the pruner's last answer, and what a trial took


class Held:
    """A journal's lock that a killed process lets go at once; Optuna's own lie there for half a minute."""

    def __init__(self, path: Path) -> None:
        self.lock = FileLock(path)

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def opened(name: str, out: Path, storage: str | None) -> optuna.Study:
    """The study of that name, made where it is not there yet. storage: a database's URL; None: a journal in `out`.

    Raises UserError where the database cannot be reached. Two processes that make its tables at once collide: let them
    take turns.
    """
    if storage is None:
        out.mkdir(parents=True, exist_ok=True)
        lock: Any = Held(out / f".{JOURNAL}.lock")
        kept: Any = JournalStorage(JournalFileBackend(str(out / JOURNAL), lock_obj=lock))
    else:
        try:
            kept = RDBStorage(storage)
        except Exception as error:  # SQLAlchemy's, the driver's, Optuna's own
            raise UserError(
                f"--storage {shown(storage)} cannot be opened: {first_line(error)}. Give the URL of a database, as "
                "postgresql+psycopg://USER@HOST/NAME or sqlite:///FILE"
            ) from error
    return optuna.create_study(storage=kept, study_name=name, direction="maximize", load_if_exists=True)


def shown(storage: str) -> str:
    """A database's URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(storage).render_as_string(hide_password=True)
    except ArgumentError:
        return "(no URL)"


def distribution(dimension: Dimension) -> BaseDistribution:
    """A dimension of the space in Optuna's words."""
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def proposed(study: optuna.Study, space: Sequence[Dimension], *, seed: int, startup: int) -> int:
    """Ask the Tree-structured Parzen Estimator for values, and return the number of a new trial that has them.

    The first `startup` trials are drawn at random. All chance follows from (seed, number). The trial is written in one
    piece, so that none is ever there without its values.
    """
    trials = study.get_trials()
    chance = int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0])
    sampler = TPESampler(seed=chance, n_startup_trials=startup, multivariate=True, constant_liar=True)
    shadow = optuna.create_study(direction="maximize", sampler=sampler)
    shadow.add_trials(trials)
    over = {each.key: distribution(each) for each in space}
    found = shadow.ask(over).params
    values = {each.key: each.shortened(found[each.key]) for each in space}
    study.add_trial(create_trial(state=TrialState.RUNNING, params=values, distributions=over))
    return len(trials)


def ends(study: optuna.Study, number: int, epoch: int, value: float, pruner: HyperbandPruner | None) -> bool:
    """Tell what a trial reached after an epoch, and ask whether it is pruned there (never, without a `pruner`).

    The answer is written with the question's epoch, in one piece and before the value. The same epoch, told again by a
    run that was resumed, has the same answer.
    """
    trials = study.get_trials()
    mine = trials[number]
    told: dict[str, Any] = mine.user_attrs.get(TOLD, {"epoch": 0})
    handle = Trial(study, mine._trial_id)
    if told["epoch"] < epoch:
        told = {"epoch": epoch, **asked(study.study_name, trials, number, epoch, value, pruner)}
        handle.set_user_attr(TOLD, told)
    if epoch not in mine.intermediate_values:
        handle.report(value, epoch)
    return told["pruned"] and told["epoch"] == epoch


def asked(
    name: str, trials: Sequence[FrozenTrial], number: int, epoch: int, value: float, pruner: HyperbandPruner | None
) -> dict[str, Any]:
    """Hyperband's answer about trial `number` with `value` after `epoch`: {"pruned": …, "rungs": those that it has
    reached, with what it had there}."""
    if pruner is None:
        return {"pruned": False, "rungs": rungs(trials[number])}
    shadow = optuna.create_study(direction="maximize", study_name=name)  # Hyperband's brackets follow from the name
    shadow.add_trials(
        [
            create_trial(
                state=TrialState.RUNNING,
                intermediate_values={epoch: value} if each.number == number else {},
                system_attrs=rungs(each),
            )
            for each in trials
        ]
    )
    pruned = pruner.prune(shadow, shadow.get_trials()[number])
    return {"pruned": bool(pruned), "rungs": dict(shadow.get_trials()[number].system_attrs)}


def rungs(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial had at each of Hyperband's rungs that it has reached."""
    return trial.user_attrs.get(TOLD, {}).get("rungs", {})


def hyperband(shortest: int, longest: int, eta: int) -> HyperbandPruner:
    """Hyperband from the shortest to the longest training, in epochs; of each rung one of `eta` goes on."""
    return HyperbandPruner(min_resource=shortest, max_resource=longest, reduction_factor=eta)


def tell(study: optuna.Study, number: int, state: TrialState, ran: dict[str, Any], value: float | None = None) -> None:
    """End a trial. ran: what is to be known of it beside its value."""
    Trial(study, study.get_trials()[number]._trial_id).set_user_attr(RAN, ran)
    study.tell(number, value, state=state)


def importances(study: optuna.Study) -> dict[str, float] | None:
    """Each key's share of what the finished trials' values vary by (functional ANOVA over a random forest); None
    where these trials are too few or all alike."""
    done = study.get_trials(states=(TrialState.COMPLETE,))
    if len(done) < 4 or len({trial.value for trial in done}) < 2:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}
