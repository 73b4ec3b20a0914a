"""ImageNet's other test sets (ReaL, V2, -A, -R, -C, Sketch, Style), for a student of classes that are wnids.

ReaL: Beyer et al. 2020; V2: Recht et al. 2019; -A, -R: Hendrycks et al. 2021; -C: Hendrycks and Dietterich 2019;
Sketch: Wang et al. 2019; Style (Stylized): Geirhos et al. 2019.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring.core import UserError, did_you_mean
from sparring.data.dataset import Data
from sparring.data.decode import Form
from sparring.data.folder import Files, Stamp, class_folders, listed
from sparring.data.images import Streamed

KINDS = ("real", "v2", "a", "r", "c", "sketch", "style")
LEVELS = ("1", "2", "3", "4", "5")
_NAMED = {
    "a": r"imagenet[-_]?a$",
    "r": r"imagenet[-_]?r(endition)?$",
    "sketch": r"sketch",
    "style": r"styli[sz]ed|style",
}
_NUMBER = re.compile(rb"ILSVRC2012_val_(\d{8})\.[^/]*$", re.IGNORECASE)
_LABELS = "real.json"


@dataclass(frozen=True, slots=True)
class Variant:
    """A part of a variant: `images`, whose `index` is each one's row in `allowed`.

    name: "" or, of ImageNet-C, (corruption, severity) joined by "/"; allowed: (N, M) int64, the right classes of each
    image, -1 where it has fewer; within: (S,) int64, the classes that an answer is chosen from, or None for all.
    """

    name: str
    images: Streamed
    allowed: Tensor
    within: Tensor | None = None


def kind_of(folder: Path) -> str:
    """Which variant a folder is, by its layout and its name. Raises UserError where it cannot be told."""
    if not folder.is_dir():
        raise UserError(f"--on {folder} {'is a file' if folder.exists() else 'does not exist'}: give a folder.")
    if (folder / _LABELS).is_file():
        return "real"
    names = class_folders(folder)
    if names and all(name.isdecimal() for name in names):
        return "v2"
    if names and all(set(LEVELS) & set(class_folders(folder / name)) for name in names):
        return "c"
    fitting = [kind for kind, pattern in _NAMED.items() if re.search(pattern, folder.resolve().name.lower())]
    if len(fitting) == 1:
        return fitting[0]
    raise UserError(
        f"Which of ImageNet's variants {folder} is cannot be told from its folders: say --as and one of "
        f"{', '.join(KINDS)}."
    )


def variant(folder: Path, kind: str, data: Data) -> Iterator[Variant]:
    """The parts of a variant, ready to be asked about: one, or of ImageNet-C one a corruption and severity.

    Pictures are brought to the size of `data`'s. Raises UserError for a kind or folder that does not exist, and for a
    class that the student's `data` does not have.
    """
    if kind not in KINDS:
        raise UserError(f"--as {kind} is no variant of ImageNet. {did_you_mean(kind, KINDS)}")
    if kind == "real":
        yield _real(folder, data)
    elif kind == "c":
        found = [
            (name, level) for name in class_folders(folder) for level in LEVELS if (folder / name / level).is_dir()
        ]
        if not found:
            raise UserError(f"{folder} holds no corrupted images: expected CORRUPTION/1 … 5/CLASS/ in it.")
        for name, level in found:
            yield replace(_by_class(folder / name / level, data, numbers=False), name=f"{name}/{level}")
    else:
        part = _by_class(folder, data, numbers=kind == "v2")
        yield replace(part, within=part.allowed.unique() if kind in ("a", "r") else None)


def _by_class(folder: Path, data: Data, *, numbers: bool) -> Variant:
    """The pictures of class folders called as the student's classes, or by their `numbers`."""
    names = class_folders(folder)
    if not names:
        raise UserError(f"{folder} holds no class folders: expected images in {folder}/CLASS/.")
    place = {name: at for at, name in enumerate(data.class_names)}
    if numbers:
        place = {name: int(name) for name in names if name.isdecimal() and int(name) < data.classes}
    if strange := [name for name in names if name not in place]:
        known = f"0 to {data.classes - 1}" if numbers else f"such as {data.class_names[0]}"
        raise UserError(
            f"The student does not know the class {strange[0]!r} of {folder} ({len(strange)} such): it was trained on "
            f"{data.name}, whose {data.classes} classes are {known}."
        )
    split = listed(folder, names, Stamp())
    labels = torch.tensor([place[name] for name in names])[torch.from_numpy(split.labels)]
    assert isinstance(split.pictures, Files)
    return Variant("", _images(split.pictures, labels, data), labels[:, None])


def _images(files: Files, labels: Tensor, data: Data) -> Streamed:
    return Streamed(files, Form(data.shape, resize=True), labels, torch.arange(len(files)))


def _real_labels(folder: Path) -> Path | None:
    """The reassessed labels in a folder of validation images, or beside it."""
    return next((file for file in (folder / _LABELS, folder.resolve().parent / _LABELS) if file.is_file()), None)


def _real(folder: Path, data: Data) -> Variant:
    """The validation images that have a reassessed label, flat in the folder or by class, known by their numbers."""
    file = _real_labels(folder)
    if file is None:
        raise UserError(f"{_LABELS} (the reassessed labels) lies neither in {folder} nor beside it: put it there.")
    labels = _read_labels(file, data)
    split = listed(folder.resolve().parent, [folder.resolve().name], Stamp())
    files = split.pictures
    assert isinstance(files, Files)
    allowed = torch.full((len(files), max(map(len, labels), default=1) or 1), -1)
    for row in range(len(files)):
        found = _NUMBER.search(files.text[files.ends[row] : files.ends[row + 1]].tobytes())
        number = int(found[1]) if found else 0
        if not 1 <= number <= len(labels):
            raise UserError(
                f"{files.where(row)} is none of the {len(labels)} images that {file} has labels for: "
                "expected ILSVRC2012_val_00000001.JPEG and so on."
            )
        allowed[row, : len(labels[number - 1])] = torch.tensor(labels[number - 1], dtype=torch.long)
    kept = np.flatnonzero((allowed[:, 0] >= 0).numpy())
    if not len(kept):
        raise UserError(f"{file} has no label for any image of {folder}: is it of other images?")
    return Variant("", _images(files, allowed[:, 0], data).take(kept), allowed)


def _read_labels(file: Path, data: Data) -> list[list[int]]:
    """A list of classes for each validation image, empty where none fits."""
    try:
        labels = json.loads(file.read_text())
        whole = all(isinstance(label, int) and label >= 0 for row in labels for label in row)
    except (OSError, ValueError, TypeError):
        labels, whole = [], False
    if not whole or not isinstance(labels, list):
        raise UserError(f"{file} is not a list with a list of class numbers for each image: fetch it again.")
    highest = max((label for row in labels for label in row), default=-1)
    if highest >= data.classes:
        raise UserError(
            f"{file} names class {highest}, but the student was trained on the {data.classes} classes of {data.name}."
        )
    return labels
