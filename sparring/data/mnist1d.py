"""MNIST-1D (Greydanus & Kobak 2024): digits as signals of 40 numbers, made on the spot by the package `mnist1d`."""

from __future__ import annotations

import random

import numpy as np

from sparring.core import UserError
from sparring.data.cache import digest
from sparring.data.found import Found, Split

REACH = 6.0  # the signals have mean 0 and deviation 1, and lie within -5.5 … 4.6


def read_mnist1d() -> Found:
    """4,000 training and 1,000 test signals as float32 images (1, 1, 40), a number v as the pixel (v + 6) / 12.

    Made with the package's own defaults, seed 42. Raises UserError where the package is not installed.
    """
    try:
        from mnist1d.data import get_dataset_args, make_dataset  # pyright: ignore[reportMissingImports]
    except ImportError as missing:
        raise UserError(
            f"mnist1d is made by a package that could not be imported ({missing}); "
            "install it with: pip install 'sparring[mnist1d]'"
        ) from missing
    before = random.getstate(), np.random.get_state()  # the package seeds both for everyone
    try:
        made = make_dataset(get_dataset_args())
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
    splits = {
        split: Split(pixels(made[f"x{end}"]), np.asarray(made[f"y{end}"], np.int64))
        for split, end in (("train", ""), ("test", "_test"))
    }
    key = digest("mnist1d", *(part for split in splits.values() for part in (split.pictures, split.labels)))
    return Found("mnist1d", tuple("0123456789"), splits, key, "none")


def pixels(signals: np.ndarray) -> np.ndarray:
    """Signals (N, L) as pixels (N, 1, 1, L) float32 in [0, 1]."""
    return ((signals + REACH) / (2 * REACH)).clip(0, 1).astype(np.float32)[:, None, None]
