"""A finished run's student on ImageNet's other test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring import data as datasets
from sparring.data.variants import KINDS, kind_of, variant
from sparring.errors import UserError, did_you_mean
from sparring.evaluate.imagenet import ALEXNET, allowed_accuracy, mean_corruption_error
from sparring.recipes.examine import opened
from sparring.recipes.manifest import identity
from sparring.recipes.measured import entries, put
from sparring.recipes.run import say

FILE = "imagenet.json"


def elsewhere(run: Path, folder: Path, kind: str | None = None, *, device: str | None = None) -> dict[str, float]:
    """The accuracy (in [0, 1]) of a run's student on one of ImageNet's variants that lies in `folder`.

    kind: real, v2, a, r, c, sketch or style; None to tell it by the folder. Returns {kind: accuracy}; of ImageNet-C
    {"c": accuracy, "c/fog/3": …, "mce": …}. Written into the run's imagenet.json. Raises UserError for mistakes.
    """
    if kind is not None and kind not in KINDS:
        raise UserError(f"--as {kind} is no variant of ImageNet. {did_you_mean(kind, KINDS)}")
    entries(run / FILE)  # where it is damaged, that is told before the work
    folder = folder.expanduser()
    kind = kind_of(folder) if kind is None or not folder.is_dir() else kind
    config, data, student = opened(run, device)
    accuracies: dict[str, float] = {}
    images = right = 0
    for part in variant(folder, kind, data):
        here = student.mean.device
        batches = datasets.batches(part.images, batch_size=256, device=here, workers=config.workers)
        accuracies[part.name] = allowed_accuracy(student, batches, part.allowed, part.within)
        images, right = images + len(part.images), right + accuracies[part.name] * len(part.images)
    told: dict[str, Any] = {"accuracy": right / images, "images": images, "path": str(folder.resolve())}
    found = {kind: told["accuracy"]}
    if kind == "c":
        found |= {f"c/{name}": accuracy for name, accuracy in accuracies.items()}
        told |= {"accuracies": accuracies, "mce": _mce(accuracies)}
        found |= {"mce": told["mce"]} if told["mce"] is not None else {}
    put(run / FILE, kind, told | identity(student))
    return found


def variants_in(folder: Path) -> dict[str, Path]:
    """The variants of ImageNet that lie side by side in `folder`, by kind. Raises UserError where there is none."""
    folder = folder.expanduser()
    found: dict[str, Path] = {}
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            found.setdefault(kind_of(place), place)
        except UserError:
            say(f"left out {place}: no variant of ImageNet can be told from it")
    if not found:
        raise UserError(f"--on {folder} holds no variant of ImageNet: give a folder of folders such as imagenet-a")
    return found


def _mce(accuracies: dict[str, float]) -> float | None:
    errors: dict[str, dict[int, float]] = {}
    for key, accuracy in accuracies.items():
        name, _, level = key.partition("/")
        errors.setdefault(name, {})[int(level)] = 1 - accuracy
    found = mean_corruption_error(errors)
    if found is None:
        whole = sum(len(errors.get(name, {})) == 5 for name in ALEXNET)
        say(f"no mCE: it is the mean over {len(ALEXNET)} corruptions at 5 severities, and {whole} are here whole")
    return found
