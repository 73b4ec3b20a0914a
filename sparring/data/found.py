"""What a reader found, before anything is decoded, split or measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparring.core import UserError
from sparring.data.decode import Encoded


@dataclass(frozen=True, slots=True)
class Split:
    """One split as it is stored: `pictures`, encoded or already (N, C, H, W) uint8 or float32 in
    [0, 1], beside `labels` (N,) int64."""

    pictures: Encoded | np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Found:
    """A data set as a reader found it.

    splits: by name, "train" and perhaps "validation" and "test"; key: sha256 hex of the content; augment: what
    "default" augmentation means here, or None to choose by size; carve_test: hold out this part of the training
    images where there is no test split.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, Split]
    key: str
    augment: str | None = None
    carve_test: float = 0.1


def numbered(splits: Mapping[str, Split], name: str) -> tuple[str, ...]:
    """Names for classes that have none, "0", "1", … up to the highest label. Raises UserError where 0 is left out."""
    labels = np.concatenate([split.labels for split in splits.values()])
    if len(labels) and (first := labels.min()) > 0:
        raise UserError(
            f"The labels of {name} begin at {first}, but classes are numbered from 0: subtract {first} from each, "
            "or let the data name every class (a Dataset's `classes`, a parquet file's ClassLabel)."
        )
    return tuple(map(str, range(1 + labels.max(initial=0))))


def checked(found: Found) -> Found:
    """`found` itself, once its labels are known to make sense. Raises UserError where they do not."""
    classes = len(found.class_names)
    for split, part in found.splits.items():
        if len(part.labels) != len(part.pictures):
            raise UserError(f"{found.name} has {len(part.pictures)} {split} images but {len(part.labels)} labels.")
        if len(part.labels) == 0:
            raise UserError(f"{found.name} holds no {split} images: put some there or take the {split} split out.")
        wrong = np.flatnonzero((part.labels < 0) | (part.labels >= classes))
        if len(wrong):
            label = part.labels[wrong[0]]
            which = "classes are numbered from 0" if label < 0 else f"its {classes} classes are 0 to {classes - 1}"
            raise UserError(
                f"Row {wrong[0]} of the {split} split of {found.name} has label {label}, but {which}: mend the labels."
            )
    if classes < 2:
        raise UserError(
            f"All images of {found.name} are of one class, {found.class_names[0]!r}: give two or more to tell apart."
        )
    trained = np.bincount(found.splits["train"].labels, minlength=classes) > 0
    for split, part in found.splits.items():
        strange = np.flatnonzero((np.bincount(part.labels, minlength=classes) > 0) & ~trained)
        if len(strange):
            raise UserError(
                f"Class {found.class_names[strange[0]]!r} of {found.name} has {split} images but no training image: "
                "add some or take the class out."
            )
    return found
