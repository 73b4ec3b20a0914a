"""The 2-D toy: a handful of readings, for one takes minutes on a full machine; seed 100, 50 runs (counts doubled).

D as in search.py. Every reading tried is a line of search-plane.jsonl.

    python results/disk-toys/search_plane.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sparring.recipes import disk_toy_plane as plane
from sparring.recipes.disk_toy_game import METHODS, Reading
from sparring.recipes.disk_toy_plane import Plane
from sparring.recipes.disk_toys import ON_PLANE, PUBLISHED, tally

LOG = Path(__file__).with_name("search-plane.jsonl")
SEED, RUNS = 100, 50
LIKE_LINE = {"alpha": 0.0, "T": 4.0, "k": 1, "lambda_max": 5.0, "guide_decay": 0.0, "bias": -2.0, "normalised": True}
TRIED: list[dict[str, Any]] = [
    {},
    {"T": 4.0},
    {"T": 4.0, "warm": True},
    {"T": 4.0, "alpha": 0.0, "decay": 0.0},
    LIKE_LINE | {"warm": True},
    LIKE_LINE,
    {"T": 4.0, "std": 0.05**0.5},
    {"T": 4.0, "k": 3},
    {"T": 4.0, "release": True, "normalised": True},
    {"decay": 0.0, "hidden": 3},
]


def counted(unlike: dict[str, Any]) -> dict[str, list[int]]:
    """The three methods' counts of a reading."""
    own = {key: value for key, value in unlike.items() if key in ("std", "hidden", "guide")}
    rest = {key: value for key, value in unlike.items() if key not in own}
    told = replace(Plane(), **own, training=replace(Reading(batch=200), **rest))
    teacher, begin, found = plane.teach(told, SEED), None, {}
    for name in METHODS:
        learned = plane.learn(name, told, teacher, seed=SEED, runs=RUNS, begin=begin)
        begin = learned.student if told.training.warm and name == "CE" else begin
        found[name] = [100 // RUNS * each for each in tally(plane.nearest(learned.accuracy), ON_PLANE)]
    return found


def main() -> None:
    """Try all that are not in the log."""
    torch.set_num_threads(1)
    done = len(LOG.read_text().splitlines()) if LOG.exists() else 0
    for unlike in TRIED[done:]:
        found = counted(unlike)
        apart = [abs(a - b) for name in METHODS for a, b in zip(found[name], PUBLISHED["plane"][name], strict=True)]
        with LOG.open("a") as file:
            file.write(json.dumps({"reading": unlike, "counts": found, "D": sum(apart) / 6}) + "\n")


if __name__ == "__main__":
    main()
