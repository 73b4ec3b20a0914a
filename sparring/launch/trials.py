"""The work of one process on a search, until its trials are used up.

Several workers are several calls of `work`, in processes of their own, on any machine that sees folder and storage.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparring.errors import Busy, UserError, first_line
from sparring.files import locked
from sparring.launch.claimed import opened
from sparring.launch.search import PATIENCE, Search, note
from sparring.recipes.config import merged
from sparring.recipes.earlier import earlier
from sparring.recipes.folder import EARLIER
from sparring.recipes.judge import judged_by, reached
from sparring.recipes.run import run, say
from sparring.recipes.space import plain
from sparring.watch import NotFinite

if TYPE_CHECKING:
    from optuna import Study

WORKER = ".worker"  # in a trial's folder, a folder that is locked by who works on it
PRUNED = "pruned: others were better by then"
IN_A_ROW = 3  # trials that cannot be run, one after the other, end a search


def work(search: Search) -> None:
    """Take trial after trial, those that a killed worker left first, and run each, until as many as are wanted have
    begun. Raises UserError where one after the other cannot be run, and at once where disk or database fail; what that
    or a signal stopped is gone on with next time."""
    study, odd = opened(search), 0
    while True:
        with halting(search), taken(search, study) as number:
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
    except Busy:
        return False
    return True


@contextmanager
def halting(search: Search) -> Iterator[None]:
    """Tell a full disk, and the like, as what is to be mended before the search goes on."""
    try:
        yield
    except Busy:
        raise
    except Exception as error:
        if not passing(error):
            raise
        told = str(error) if isinstance(error, UserError) else first_line(error.__cause__ or error)
        raise UserError(
            f"the search in {search.out} stopped: {told}. Once that is mended, the same command goes on"
        ) from error


def passing(error: BaseException | None) -> bool:
    """Whether a disk, a network or a database is what ended something, and not what was asked of it: the same may come
    to a good end later, and counts as never ended, as if its worker had been killed."""
    from optuna.exceptions import StorageInternalError

    while error is not None:
        if isinstance(error, OSError | StorageInternalError | Busy):
            return True
        error = error.__cause__
    return False


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
    except Exception as error:  # of a user's own network or method as well: that is this trial's failure
        if passing(error):
            raise
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
