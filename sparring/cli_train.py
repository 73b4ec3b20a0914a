"""The command line's `train`, `distill` and `check`; torch is imported only once one of them runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from sparring.arguments import Cpus, File, Gpus, Keys, On, Resume, Seeds, Settings, first, gathered
from sparring.files import plain_name

Net = Annotated[
    str | None,
    Parameter(help="A network to train alone: a name from `sparring list nets`, timm:NAME, hf:NAME, file.py:callable."),
]


def train(
    *keys: Keys,
    net: Net = None,
    out: Path | None = None,
    seeds: Seeds = 1,
    resume: Resume = False,
    on: On = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    config: File = None,
    settings: Settings = None,
) -> None:
    """Train a network alone, on labels: a teacher, or a baseline.

    Parameters
    ----------
    out
        The folder to fill (by default runs/DATA-NET).
    """
    from sparring import verbs

    chosen = verbs.alone(gathered(config, settings, keys), net)
    place = out or Path("runs") / f"{plain_name(chosen.data)}-{plain_name(chosen.student)}"
    done = verbs.train(config=chosen, out=place, seeds=seeds, resume=resume, on=on, cpus=cpus, gpus=gpus)
    if not first():
        return
    print(done.markdown())
    teacher = done.runs[0].out
    pair = f"--teacher {quote(str(teacher))} --student NAME --data {quote(chosen.data)}"
    pair += f" --size {chosen.size}" if chosen.size else ""
    print(f"Next: sparring distill {pair} --method da --baseline")


def distill(
    *keys: Keys,
    out: Path | None = None,
    baseline: bool = False,
    seeds: Seeds = 1,
    resume: Resume = False,
    on: On = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    config: File = None,
    settings: Settings = None,
) -> None:
    """Train a student with the help of a teacher, by any method.

    Parameters
    ----------
    out
        The folder to fill (by default runs/DATA-STUDENT-METHOD).
    baseline
        Also train the same student alone, with the same budget and seeds, for a verdict.
    """
    from sparring import verbs

    chosen = gathered(config, settings, keys)
    place = out or Path("runs") / "-".join(map(plain_name, (chosen.data, chosen.student, chosen.method)))
    done = verbs.distill(
        config=chosen, out=place, baseline=baseline, seeds=seeds, resume=resume, on=on, cpus=cpus, gpus=gpus
    )
    if not first():
        return
    print(done.markdown())
    page = done.report()
    print(f"The report: {page}\nNext: sparring evaluate {quote(str(done.runs[0].out))}")


def check(
    *keys: Keys, net: Net = None, out: Path | None = None, config: File = None, settings: Settings = None
) -> None:
    """Say what `train` or `distill` with the same arguments would do, and refuse what would fail.

    Parameters
    ----------
    out
        The folder it would fill.
    """
    from sparring import verbs

    chosen = gathered(config, settings, keys)
    chosen = verbs.alone(chosen, net) if net else chosen
    found = verbs.check(config=chosen, out=out)
    print(found)
    taught = "" if chosen.teacher is None else f"--teacher {quote(chosen.teacher)} "
    verb = f"train --net {quote(chosen.student)}" if net else f"distill {taught}--student {quote(chosen.student)}"
    better = f" teacher_normalise={found.better}" if found.better else ""
    better += f" --size {chosen.size}" if chosen.size else ""
    print(f"Next: sparring {verb} --data {quote(chosen.data)}{better} … (the same arguments)")
