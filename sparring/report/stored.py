"""The arrays that pictures are drawn from, as runs keep them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np


def stored(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray] | None:
    """The arrays of an npz file by name (all, unless some are named), or None where no file holds them all."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in (arrays.files if names is None else names)}
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error):
        return None
