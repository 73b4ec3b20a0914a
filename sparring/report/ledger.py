"""What runs there are: every run directory under some paths, read and never written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.report.forms import FORMS
from sparring.report.planned import Plans, line_of
from sparring.report.reading import Odd, read, read_lines

JOURNAL = "metrics.jsonl"
FACTS = ("result.json", "manifest.json", "config.yaml")
SEVERAL = ("autoattack.json", "attacks.json", "robust.json", "imagenet.json")  # with measurements by their keys


@dataclass(frozen=True, slots=True)
class Run:
    """One run directory: what was trained, and what came of it.

    method: its name, and where the run departs from it: "kd-simkd + perturb=da". result, manifest, config: the contents
    of result.json, manifest.json and config.yaml, as far as they can be read ({} where a file is missing).
    odd: what of these files cannot be read, by file.
    line, scale: the line of a reproduced table that it is of, and at what scale that was run; None for others.
    problem: why the run does not count ("not finished", an unreadable result), or None for a finished one.
    """

    path: Path
    method: str
    student: str
    teacher: str | None
    data: str
    seed: int | None
    result: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    odd: Mapping[str, Sequence[Odd]] = field(default_factory=dict)
    line: str | None = None
    scale: str | None = None
    problem: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the run ended and its result can be read."""
        return self.problem is None

    @property
    def fingerprint(self) -> str | None:
        """The hash of the data the run was trained and tested on, where it was written down."""
        data = self.manifest.get("data")
        found = data.get("fingerprint") if isinstance(data, Mapping) else None
        return None if found is None else str(found)

    def weights(self, role: str) -> str | None:
        """The hash of the weights of its "teacher", or of its student's "start", where it was written down."""
        told = self.manifest.get(role)
        found = told.get("sha256") if isinstance(told, Mapping) else None
        return None if found is None else str(found)

    def number(self, *keys: str) -> float | None:
        """A number of the result, such as ``run.number("test", "accuracy")``; None where it is not there."""
        return number(self.result, *keys)


def number(told: Mapping[str, Any], *keys: str) -> float | None:
    """A number that lies under some keys in what a file told; None where none is there."""
    found: Any = told
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def runs(paths: Iterable[str | Path] | str | Path) -> list[Run]:
    """Every run at or below the given paths, finished or not, each once, in the order of their paths.

    Raises UserError for a path that does not exist and for one with no run in it.
    """
    found: dict[Path, Run] = {}
    known: Plans = {}
    for path in [paths] if isinstance(paths, str | Path) else paths:
        path = Path(path)
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise UserError(f"{path} {what}: give a run directory, or a directory with runs below it.")
        here = [_read(each, known) for each in _directories(path)]
        if not here:
            raise UserError(
                f"No run was found in {path}: a run directory holds result.json (or metrics.jsonl while it trains)."
            )
        found |= {run.path.resolve(): run for run in here}
    return [found[path] for path in sorted(found)]


def lying(paths: Iterable[str | Path], pattern: str) -> list[Path]:
    """The files of some name that lie in some folders or in a folder directly inside one, as where several were
    collected; each once, in order."""
    found = [
        file
        for path in map(Path, paths)
        for each in (pattern, f"*/{pattern}")
        for file in sorted(path.glob(each))
        if not file.parent.name.startswith(".") or file.parent == path
    ]
    return list({file.resolve(): file for file in found}.values())


def history(run: Run) -> list[dict[str, Any]]:
    """The run's epochs as they were logged, first to last; what a resumed run logged twice counts the last time."""
    epochs = {int(line["epoch"]): line for line in journal(run, "epoch")}
    return [epochs[number] for number in sorted(epochs)]


def loss_terms(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Each named loss term of the run as (epoch, value): its mean over the steps logged in that epoch, from 1."""
    sums: dict[tuple[str, int], list[float]] = {}
    for line in journal(run, "train"):
        for name, value in (line.get("terms") or {}).items():
            if value is not None:
                sums.setdefault((name, ceil(line["epoch"])), []).append(float(value))
    found: dict[str, list[tuple[float, float]]] = {}
    for (name, epoch), values in sorted(sums.items()):
        found.setdefault(name, []).append((float(epoch), sum(values) / len(values)))
    return found


def journal(run: Run, kind: str) -> list[dict[str, Any]]:
    """The lines of one kind ("train", "epoch") in the run's metrics.jsonl, as far as they can be read."""
    return [line for line in read_lines(run.path / JOURNAL)[0] if line["kind"] == kind]


def kept(run: Run, file: str) -> Mapping[str, Any]:
    """What a JSON file in the run's directory holds, as far as it can be read and is of its own student; {} where there
    is nothing."""
    told = read(run.path / file)[0]
    if file in SEVERAL:
        return {key: each for key, each in told.items() if is_own(run, each)}
    return told if is_own(run, told) else {}


def foreign(run: Run) -> list[str]:
    """The files in the run's directory that hold measurements of another student than was trained there."""
    return [file for file in FORMS if file not in FACTS and kept(run, file) != read(run.path / file)[0]]


def is_own(run: Run, told: Mapping[str, Any]) -> bool:
    """Whether what was measured was this run's student, as far as that is known: weights and Python files as they were
    when it was trained."""
    weights = run.result.get("best_weights" if told.get("epoch") == "best" else "weights")
    files = run.manifest.get("files")
    own, python, _ = run.student.partition(".py:")
    if python and own + ".py" not in (files or ()):  # earlier versions did not name what a function is written in
        files = None
    of_weights = told.get("weights") is None or weights in (None, told["weights"])
    return of_weights and (files is None or set(told.get("files", ())) <= set(files.values()))


def disagreement(run: Run) -> list[dict[str, Any]]:
    """The points of the run's disagreement curve, or none where it was not measured."""
    return kept(run, "disagreement.json").get("rows", [])


def _directories(root: Path) -> list[Path]:
    """The run directories at or below `root`; a run holds no further runs."""
    found = []
    for path, folders, files in os.walk(root):
        if {"result.json", "metrics.jsonl"} & set(files) or {"manifest.json", "config.yaml"} <= set(files):
            found.append(Path(path))
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
    return found


def _read(path: Path, known: Plans) -> Run:
    told = {name: read(path / name) for name in FACTS}
    result, manifest, config = (told[name][0] for name in FACTS)
    told_of = {**config, **result}
    line, scale = line_of(path, known)
    return Run(
        path=path,
        method=_method(told_of.get("method") or "unknown method", result.get("changes") or {}),
        student=told_of.get("student") or "unknown student",
        teacher=told_of.get("teacher"),
        data=told_of.get("data") or "unknown data",
        seed=told_of.get("seed"),
        result=result,
        manifest=manifest,
        config=config,
        odd={name: odd for name, (_, odd) in told.items()},
        line=line,
        scale=scale,
        problem=_problem(path, result, told["result.json"][1]),
    )


def _problem(path: Path, result: Mapping[str, Any], odd: Sequence[Odd]) -> str | None:
    """Why a run does not count; None where it does."""
    if not (path / "result.json").exists():
        return "not finished"
    if not result:
        return f"result.json cannot be read: {odd[0].why}"
    if number(result, "test", "accuracy") is not None:
        return None
    if result["method"] == "autoencoder":
        return "it is an autoencoder"
    if "untested" in result:
        return f"it is {result['untested']}"
    lost = next((f" that can be read: {'.'.join(each.way)}, {each.why}" for each in odd if each.way[0] == "test"), "")
    return f"result.json says no test accuracy{lost}"


def _method(name: str, changed: Mapping[str, Any]) -> str:
    """A method's name, and what the run changed of it, as one would type it: "kd-simkd + perturb=da, perturb.p=0.5"."""
    if not changed:
        return name
    return f"{name} + {', '.join(f'{key}={typed(value)}' for key, value in changed.items())}"


def typed(value: Any) -> str:
    """A value as one types it, to four digits."""
    if isinstance(value, float):
        return json.dumps(float(f"{value:.4g}"))
    return value if isinstance(value, str) else json.dumps(value)
