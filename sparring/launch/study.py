"""A study of Optuna's: opened, asked for the next values and whether to go on, told what came of them.

What is asked is a function of the study's trials alone. No sampler or pruner outlives a question, so that a search
which was killed goes on as the one that was not. Importing this needs the extra `hpo`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import StorageInternalError
from optuna.pruners import HyperbandPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sparring.errors import UserError, first_line
from sparring.launch.journal import journal
from sparring.recipes.space import Dimension

logging.getLogger("optuna").setLevel(logging.WARNING)
TOLD, RAN = "told", "ran"  # user attributes: the pruner's last answer, and what a trial took


def storage(out: Path, url: str | None, *, new: bool) -> BaseStorage:
    """Where studies lie: the database of that URL; without one, the journal in `out`. new: whether tables are made
    where a database has none; two processes that make them at once collide: let them take turns.

    Raises UserError where a database cannot be reached, or has no tables and is not `new`.
    """
    if url is None:
        return journal(out)
    try:
        if not new and lost(url):
            raise FileNotFoundError("there is no such file")
        return RDBStorage(url, skip_table_creation=not new)
    except Exception as error:  # SQLAlchemy's, the driver's, Optuna's own
        why = first_line(error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error)
        raise UserError(
            f"--storage {shown(url)} cannot be opened: {why.replace(url, shown(url))}. Give the URL of a database, as "
            "postgresql+psycopg://USER@HOST/NAME or sqlite:///FILE"
        ) from error


def lost(url: str) -> bool:
    """Whether a URL names a file that is not there, which SQLite would make."""
    found = make_url(url)
    return found.get_backend_name() == "sqlite" and not Path(found.database or "").exists()


def names(kept: BaseStorage) -> list[str]:
    """The names of the studies in a storage, in the order in which they were made."""
    return [each.study_name for each in sorted(kept.get_all_studies(), key=lambda each: each._study_id)]


def opened(kept: BaseStorage, name: str) -> optuna.Study:
    """The study of that name, made where it is not there yet."""
    if name in names(kept):
        return optuna.load_study(study_name=name, storage=kept)
    return optuna.create_study(storage=kept, study_name=name, direction="maximize")


def shown(url: str) -> str:
    """A database's URL without its password; of a text that is no URL all but what might be one."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return re.sub(r":(?!//).*@", ":***@", url)


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
        told = {"epoch": epoch, **asked(bracketed(study.study_name), trials, number, epoch, value, pruner)}
        handle.set_user_attr(TOLD, told)
    if epoch not in mine.intermediate_values:
        handle.report(value, epoch)
    return told["pruned"] and told["epoch"] == epoch


def bracketed(name: str) -> str:
    """What Hyperband's brackets follow from: the part of a study's name that says what is searched, and not where."""
    return name.rpartition("-")[2]


def asked(
    name: str, trials: Sequence[FrozenTrial], number: int, epoch: int, value: float, pruner: HyperbandPruner | None
) -> dict[str, Any]:
    """Hyperband's answer about trial `number` with `value` after `epoch`: {"pruned": …, "rungs": those that it has
    reached, with what it had there}."""
    if pruner is None:
        return {"pruned": False, "rungs": rungs(trials[number])}
    shadow = optuna.create_study(direction="maximize", study_name=name)  # by which Hyperband chooses brackets
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
