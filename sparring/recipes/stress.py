"""A finished run's student on corrupted images: made here, or as they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from sparring import data as datasets
from sparring.core import Network
from sparring.data.corrupted import stored, stored_names
from sparring.errors import UserError, did_you_mean
from sparring.evaluate import corruptions, score
from sparring.files import locked, write_json
from sparring.recipes.examine import opened, part_of
from sparring.recipes.manifest import identity
from sparring.recipes.measured import entries
from sparring.recipes.run import say

FILE = "corruptions.json"
HERE = "made here"
Scores = dict[str, dict[str, float]]


def stress(
    run: Path, asked: Sequence[str], wanted: Sequence[int], *, part: str = "test", device: str | None = None
) -> dict[str, float]:
    """The accuracy (in [0, 1]) of a run's student under corruptions: {"accuracy": clean, "translate/3": …, "mean": …}.

    asked: names (none for all that the images' benchmark has) and perhaps the path of a folder in a published layout;
    wanted: severities (none for all). mean: over corruptions, of the mean over severities. Written into the run's
    corruptions.json, beside what was asked before of the same images. Raises UserError for mistakes.
    """
    if odd := [severity for severity in wanted if severity not in (1, 2, 3, 4, 5)]:
        raise UserError(f"--severity {odd[0]} does not exist: choose from 1, 2, 3, 4 and 5.")
    entries(run / FILE)  # where it is damaged, that is told before the work
    names, folder = _sorted(asked)
    if folder is None:
        for name in names:
            corruptions.require_known(name)
    config, data, student = opened(run, device)
    batches = datasets.batches(part_of(data, part), batch_size=256, device=student.mean.device, workers=config.workers)
    if folder is None:
        kind = corruptions.benchmark(data.shape)
        chosen, skipped = makeable(names, wanted, kind)
        found = corruptions.corruption_accuracies(student, batches, chosen)
        clean = found.pop(corruptions.CLEAN)
        source = HERE
    else:
        kind, skipped, source = "published", {}, str(folder.resolve())
        found = _of_folder(student, folder, names, tuple(wanted), data)
        clean = score(student, batches)["accuracy"]
    for reason in dict.fromkeys(skipped.values()):
        say(f"left out {', '.join(name for name, why in skipped.items() if why == reason)}: {reason}")
    origin = {"part": part, "benchmark": kind, "source": source, "images": len(part_of(data, part))}
    origin |= identity(student)
    scores: Scores = {}
    for (name, severity), accuracy in found.items():
        scores.setdefault(name, {})[str(severity)] = accuracy
    with locked(run):
        _write(run / FILE, origin, clean, scores, skipped)
    flat = {f"{name}/{severity}" if severity else name: value for (name, severity), value in found.items()}
    return {"accuracy": clean, **flat, "mean": _mean(scores)}


def _sorted(asked: Sequence[str]) -> tuple[list[str], Path | None]:
    """The names, and the folder, among what was asked for (where several may be joined by commas)."""
    names: list[str] = []
    folder: Path | None = None
    for word in asked:
        path = Path(word).expanduser()
        if path.exists() or "/" in word:
            if not path.is_dir() or folder is not None:
                what = "a second folder" if folder else "a file" if path.exists() else "no folder that exists"
                raise UserError(f"--corruptions {word} is {what}: give names, and at most one folder of arrays.")
            folder = path
        else:
            names += [name for name in word.split(",") if name]
    return list(dict.fromkeys(names)), folder


def makeable(names: Sequence[str], wanted: Sequence[int], kind: str) -> tuple[list[tuple[str, int]], dict[str, str]]:
    """What to make of `names` at the `wanted` severities, and what must be left out, with the reason.

    Raises UserError where one that was asked for by name cannot be made at any of them.
    """
    chosen: list[tuple[str, int]] = []
    skipped: dict[str, str] = {}
    for name in names or corruptions.CORRUPTIONS:
        known = corruptions.severities(name, kind)
        some = [level for level in known if level in wanted or level == 0 or not wanted] or [1]
        reasons = {level: corruptions.unfit(name, kind, level) for level in some}
        chosen += [(name, level) for level in some if reasons[level] is None]
        if left := {level: reason for level, reason in reasons.items() if reason}:
            reason = next(iter(left.values()))
            if len(left) == len(some):
                if names:
                    raise UserError(f"{name} {reason}; the corruptions here are {kind}'s.")
                skipped[name] = reason
            else:
                skipped[name] = f"{reason} (severities {', '.join(map(str, left))})"
    return chosen, skipped


def _of_folder(
    student: Network, folder: Path, names: Sequence[str], wanted: tuple[int, ...], data: datasets.Data
) -> dict[tuple[str, int], float]:
    known = stored_names(folder)
    for name in names:
        if name not in known:
            raise UserError(f"{folder} holds no {name!r}. {did_you_mean(name, known)}")
    device, found = student.mean.device, {}
    for name in names or known:
        levels = tuple(level for level in known[name] if level in wanted or level == 0 or not wanted)
        for severity, images in stored(folder, name, levels, data):
            batches = datasets.batches(images, batch_size=256, device=device)
            found[name, severity] = score(student, batches)["accuracy"]
    return found


def _write(file: Path, origin: Mapping[str, Any], clean: float, scores: Scores, skipped: Mapping[str, str]) -> None:
    """Write the file whole; scores that it held of the same images stay."""
    known = entries(file)
    if any(known.get(key, value) != value for key, value in origin.items()):
        known = {}
    for name, held in known.get("accuracy", {}).items():
        scores = scores | {name: held | scores.get(name, {})}
    left = {name: why for name, why in (known.get("skipped", {}) | skipped).items() if name not in scores}
    write_json(file, {**origin, "clean": clean, "accuracy": scores, "mean": _mean(scores), "skipped": left})


def _mean(scores: Scores) -> float:
    return fmean(fmean(levels.values()) for levels in scores.values())
