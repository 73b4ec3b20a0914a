"""The command line's `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from sparring.arguments import Cpus, File, Gpus, Keys, Number, On, Settings, Several, first, gathered
from sparring.files import plain_name, read_json


def sweep(
    *keys: Keys,
    over: Annotated[tuple[str, ...], Several],
    trials: Annotated[int, Number] = 40,
    finalists: Annotated[int, Number] = 3,
    seeds: Annotated[int, Number] = 3,
    sampler_seed: Annotated[int, Number] = 0,
    shortest: Annotated[int | None, Number] = None,
    eta: Annotated[int, Number] = 3,
    prune: bool = True,
    storage: str | None = None,
    workers: Annotated[int | None, Number] = None,
    on: On = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    out: Path | None = None,
    config: File = None,
    settings: Settings = None,
) -> None:
    """Search for the values of some keys with which a student is best on validation images. One that was stopped goes
    on with the same command.

    Parameters
    ----------
    over
        What to search over: perturb.alpha=log:0.001..0.1 perturb.steps=1..3 optim.name=sgd,adam …
    trials
        How many runs.
    finalists
        How many of the best are run over new seeds, and the defaults beside them, before one is chosen.
    seeds
        How many of those.
    sampler_seed
        From which all chance of the search follows.
    shortest
        After how many epochs trials may be pruned (by default a tenth of them).
    eta
        Of the trials that Hyperband looks at together, one of so many goes on.
    prune
        Whether trials are ended early at all.
    storage
        A database's URL, as postgresql+psycopg://USER@HOST/NAME, for workers on many machines; a journal in the folder
        without one.
    workers
        How many take trials at a time (by default as many as this machine has room for; on a cluster 4).
    out
        The folder to fill (by default runs/sweep-DATA-STUDENT-METHOD).
    """
    from sparring import report, verbs_sweep

    chosen = gathered(config, settings, keys)
    place = Path("runs") / "-".join(["sweep", *map(plain_name, (chosen.data, chosen.student, chosen.method))])
    done = verbs_sweep.sweep(
        over=over,
        out=out or place,
        trials=trials,
        finalists=finalists,
        seeds=seeds,
        sampler_seed=sampler_seed,
        shortest=shortest,
        eta=eta,
        prune=prune,
        storage=storage,
        workers=workers,
        on=on,
        cpus=cpus,
        gpus=gpus,
        config=chosen,
    )
    if not first():
        return
    print(report.markdown([done.out]))
    print(f"The report: {done.report()}\nNext: {done.command}")


def found_in(folder: Path) -> str:
    """The command that trains what a search in `folder` found."""
    from sparring.report.swept import SWEEP

    return str(read_json(folder / SWEEP)["command"])
