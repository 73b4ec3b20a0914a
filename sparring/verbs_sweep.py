"""`sweep` in Python: a search over any keys of a configuration; the command line has the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.launch.search import Search
from sparring.launch.sweep import Swept
from sparring.launch.sweep import sweep as search_through
from sparring.launch.where import Where
from sparring.recipes.build import Given
from sparring.recipes.config import Config
from sparring.recipes.kinds import checked
from sparring.recipes.settle import settled
from sparring.recipes.space import space


@checked
def sweep(
    teacher: Any = None,
    student: Any = None,
    data: Any = None,
    *,
    over: Sequence[str] | Mapping[str, str],
    out: str | Path,
    method: str | None = None,
    trials: int = 40,
    finalists: int = 3,
    seeds: int = 3,
    sampler_seed: int = 0,
    shortest: int | None = None,
    eta: int = 3,
    prune: bool = True,
    storage: str | None = None,
    workers: int | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    config: Config | str | Path | None = None,
    **options: Any,
) -> Swept:
    """Search for the values of some keys with which the student is best on validation images.

    over: the keys, as ["perturb.alpha=log:0.001..0.1", "optim.name=sgd,adam"] or {"perturb.alpha": "log:0.001..0.1"}.
    trials: how many runs, by a Tree-structured Parzen Estimator. prune: whether Hyperband ends those early that others
    are better than, after `shortest` epochs (a tenth of all) at the soonest, one of `eta` going on. finalists: how many
    of the best are run over `seeds` further seeds, and the defaults beside them, before one is chosen. storage: a
    database's URL for workers on many machines; a journal in `out` without one. workers: how many take
    trials at a time; on, cpus, gpus: where (see `launch.where.Where`). Networks and data go by name, for
    workers are processes of their own; these, config and options are as in `distill`. The test set is read by the
    finalists alone. A search that was stopped goes on. Raises UserError for mistakes, before anything is trained.
    """
    named = {"teacher": teacher, "student": student, "data": data}
    chosen, given = settled(config, **named, method=method, **options)
    if given != Given():
        raise UserError("a search's trials run in processes of their own: give networks and data by name or path")
    words = [f"{key}={text}" for key, text in over.items()] if isinstance(over, Mapping) else list(over)
    search = Search(
        chosen, space(words, chosen), Path(out), trials=trials, seed=sampler_seed, eta=eta, storage=storage
    ).pruned(prune, shortest)
    where = Where.given(on, cpus, gpus)
    return search_through(search, finalists=finalists, seeds=seeds, workers=workers, where=where)
