"""The command line's `compare`: several methods on one pair; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from sparring.arguments import Cpus, File, Gpus, On, Resume, Seeds, Settings, first, flags, gathered
from sparring.errors import UserError
from sparring.files import plain_name

Methods = Annotated[
    str,
    Parameter(help="Methods, options of their own behind commas, and keys for all: kd da,perturb.p=0.5 optim.lr=0.1"),
]


def compare(
    *methods: Methods,
    out: Path | None = None,
    baseline: bool = True,
    seeds: Seeds = 3,
    resume: Resume = False,
    on: On = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    config: File = None,
    settings: Settings = None,
) -> None:
    """Train one student by several methods, on equal epochs and the same seeds, with a verdict on each pair of them.

    Parameters
    ----------
    out
        The folder to fill (by default runs/DATA-STUDENT-compared).
    baseline
        Also train the student alone.
    """
    from sparring import verbs

    keys = tuple(word for word in methods if "=" in word.partition(",")[0])
    named = [word for word in methods if word not in keys]
    if "method" in {*flags(settings), *(key.partition("=")[0] for key in keys)}:
        raise UserError("compare takes its methods as words, and no --method: sparring compare kd da dkd …")
    chosen = gathered(config, settings, keys)
    place = out or Path("runs") / f"{plain_name(chosen.data)}-{plain_name(chosen.student)}-compared"
    where = {"on": on, "cpus": cpus, "gpus": gpus}
    done = verbs.compare(named, config=chosen, out=place, baseline=baseline, seeds=seeds, resume=resume, **where)
    if not first():
        return
    print(done.markdown())
    page, best = done.report(), done.best_on_validation()
    print(f"The report: {page}\nNext: sparring evaluate {quote(str(best.out))}")
