"""Classes held out of what a student learns from, though it is asked about them later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparring.core import UserError, did_you_mean
from sparring.data.dataset import Data
from sparring.data.images import Images


def without(data: Data, classes: Sequence[str]) -> Data:
    """`data` whose training and validation images show none of some classes, given by name or by number.

    The test images stay all there; their number of classes, K, and the pixels' statistics too. Raises UserError for a
    class that there is not, and where fewer than two would be left.
    """
    gone = sorted({number_of(data, name) for name in named(classes, data.class_names)})
    if data.classes - len(gone) < 2:
        raise UserError(
            f"omit={','.join(classes)} leaves {data.classes - len(gone)} of {data.classes} classes to learn from: omit "
            "fewer"
        )
    parts = {name: left(part, gone) for name in ("train", "validation") if (part := getattr(data, name)) is not None}
    return replace(data, **parts, omitted=tuple(gone))


def named(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Words that were parted at commas, joined again where they are one class's name: "tench, Tinca tinca" is."""
    whole = {",".join(word.strip() for word in name.split(",")): name for name in names}
    found, start = [], 0
    while start < len(words):
        ends = range(len(words), start, -1)
        end = next((end for end in ends if ",".join(words[start:end]) in whole), start + 1)
        joined = ",".join(words[start:end])
        found.append(whole.get(joined, joined))
        start = end
    return found


def number_of(data: Data, name: str) -> int:
    """The number of a class that is given by its name, or by its number."""
    if name in data.class_names:
        return data.class_names.index(name)
    if name.isdecimal() and int(name) < data.classes:
        return int(name)
    known = list(dict.fromkeys([*data.class_names, *map(str, range(data.classes))]))
    raise UserError(f"omit={name}: {data.name} has no such class. {did_you_mean(name, known)}")


def left(part: Images, gone: Sequence[int]) -> Images:
    """The images of a part that are of none of some classes."""
    return part.take(np.flatnonzero(~np.isin(part.y.cpu().numpy(), gone)))


def only(part: Images, classes: Sequence[int]) -> Images:
    """The images of a part that are of some classes."""
    return part.take(np.flatnonzero(np.isin(part.y.cpu().numpy(), classes)))
