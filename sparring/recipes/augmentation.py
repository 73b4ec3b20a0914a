"""Which augmentation a run trains with, by name, and what its user is told of one that nobody asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sparring import data as datasets
from sparring.data import Data
from sparring.recipes.config import Config
from sparring.report.augmentation import DEFAULT, before

FLIP = "flip"
told: set[str] = set()  # what was said once, in this process or in the one that handed it a task


def augmentation(config: Config, data: Data) -> str:
    """The augmentation of a run's training images; "default" as what it means for them."""
    return data.train.augment if config.augment == DEFAULT else config.augment


def augmented_before(config: Config, manifest: Mapping[str, Any], shape: Sequence[int]) -> str:
    """The augmentation of a run that was begun earlier, by its configuration, its manifest and its images' shape."""
    if config.augment != DEFAULT:
        return config.augment
    return str(manifest.get("augment") or before(config.data, shape))


def explained(config: Config, data: Data) -> str:
    """The augmentation by name, and, where it is the default, whose, and how to change it."""
    found = augmentation(config, data)
    if config.augment != DEFAULT:
        return found
    if config.data in datasets.names():
        whose = f"the default of {config.data}"
    elif min(data.shape[1:]) == 1:
        whose = "the default for signals"
    else:
        kind = "grey" if data.shape[0] == 1 else "colour"
        whose = f"the default for {kind} images of {min(data.shape[1:])} pixels"
    ways = [] if found == "none" else ["--augment none leaves images as they are"]
    if FLIP in found.split("+"):
        without = "+".join(piece for piece in found.split("+") if piece != FLIP)
        ways.append(
            f"--augment {without} does not mirror them, for letters, digits and whatever has a left and a right"
        )
    ways.append("`sparring list augment` names others")
    return f"{found}, {whose}; " + "; ".join(ways)


def tell(config: Config, data: Data) -> None:
    """Say once in this process what images of the user's own are augmented by, where nobody has said by what."""
    if config.augment == DEFAULT and config.data not in datasets.names():
        say_once(f"{data.name}: images are augmented by {explained(config, data)}")


def say_once(line: str) -> None:
    """A word to the user that is the same for all runs of this process."""
    if line not in told:
        told.add(line)
        print(line, file=sys.stderr)
