"""Which rows are held out: a fixed function of the labels, the same for every run and seed."""

from __future__ import annotations

import numpy as np

_SPLIT_SEED = 20_240_229  # never the run's seed: all runs must be judged on the same rows


def stratified(labels: np.ndarray, fraction: float, *, salt: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into (kept, held out), taking about `fraction` of every class.

    labels: (N,) int64. Both answers are sorted int64 row numbers that together are all N rows. Every class keeps
    at least one row, so a class of one image is never held out. `salt` makes a second, different division.
    """
    draw = np.random.RandomState(_SPLIT_SEED + salt)  # its stream is frozen by numpy's promise, Generator's is not
    order = draw.permutation(len(labels))
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        count = min(round(len(rows) * fraction), len(rows) - 1)
        held[rows[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
