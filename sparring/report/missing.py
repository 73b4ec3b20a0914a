"""What lies in a run and cannot be shown, in sentences: files that cannot be read, or not whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sparring.report import augmented, guided, landscape
from sparring.report.forms import FORMS
from sparring.report.ledger import JOURNAL, Run, foreign, lying, runs
from sparring.report.planned import PLANS, planned
from sparring.report.reading import read, read_lines, sentence
from sparring.report.stored import stored
from sparring.report.swept import SWEEP, read_sweep

PICTURES = {each.ARRAYS: each.NEEDED for each in (augmented, guided, landscape)}
MEASURED = ("what it held is", "`sparring evaluate` measures it again")
AGAIN = {"gradients.json": ("its gradients are", "train that run anew")} | dict.fromkeys(
    (
        *("autoattack.json", "attacks.json", "robust.json", "corruptions.json"),
        *("bias.json", "imagenet.json", "disagreement.json"),
    ),
    MEASURED,
)


def left_out(paths: Iterable[str | Path]) -> list[str]:
    """What a report about the runs and recipes at or below some paths is without, a sentence a file."""
    paths = list(paths)
    plans = [(file, planned(file)[1]) for file in lying(paths, PLANS)]
    told = [sentence(file, odd) for file, odd in plans if odd]
    told += [sentence(file, odd) for file in lying(paths, SWEEP) if (odd := read_sweep(file.parent)[1])]
    return told + [line for run in runs(paths) for line in missing(run)]


def missing(run: Run) -> list[str]:
    """A line for each file of a run of which something cannot be read, and for each picture that cannot be drawn."""
    odd = {**run.odd, **{name: read(run.path / name)[1] for name in FORMS if name not in run.odd}}
    odd[JOURNAL] = read_lines(run.path / JOURNAL)[1]
    told = [sentence(run.path / name, each, *AGAIN.get(name, ())) for name, each in odd.items() if each]
    lost = [
        file for file, names in PICTURES.items() if (run.path / file).exists() and not stored(run.path / file, names)
    ]
    told += [
        f"{run.path / name} has measurements of other weights or Python files than that run's, which are left out."
        for name in foreign(run)
    ]
    return told + [
        f"{run.path / file} is damaged, or was written by another version, so its picture is missing here: "
        f"`sparring show {run.path}{' --landscape' if file == landscape.ARRAYS else ''}` draws it again."
        for file in lost
    ]
