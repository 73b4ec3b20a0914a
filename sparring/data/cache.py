"""Decoded images kept on disk, named by the content of the files they came from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from sparring.core import UserError
from sparring.files import atomic, write_text

_FORMAT = "2"  # part of every key: raise it when decoding changes


def cache_dir(given: Path | str | None = None) -> Path:
    """Where arrays and downloads lie: `given`, else $SPARRING_CACHE, $XDG_CACHE_HOME/sparring or ~/.cache/…."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given or os.environ.get("SPARRING_CACHE") or home / "sparring").expanduser()


def digest(*parts: object) -> str:
    """The sha256 hex of `parts`: arrays by their bytes, shape and type, anything else by its text."""
    total = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)  # pyright: ignore[reportArgumentType]
        else:
            total.update(str(part).encode())
        total.update(b"\0")
    return total.hexdigest()


def content(files: Iterable[Path]) -> str:
    """The sha256 hex of the files' names and bytes, in the order given. Raises UserError for one it cannot read."""
    total = hashlib.sha256(_FORMAT.encode())
    for file in files:
        total.update(file.name.encode() + b"\0")
        try:
            with file.open("rb") as opened:
                total.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise UserError(f"Cannot read {file} ({error.strerror}): check that it exists and is readable.") from None
    return total.hexdigest()


def kept_array(cache: Path, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array that `make` would return, from the cache where an undamaged copy is there, else made and kept.

    A cached array is memory-mapped copy-on-write. A cache that cannot be written is done without.
    """
    file, seal = cache / "arrays" / f"{key}.npy", cache / "arrays" / f"{key}.json"
    try:
        array = np.load(file, mmap_mode="c")
        if json.loads(seal.read_text())["sha256"] == digest(array):
            return array
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass  # absent or damaged: made again
    array = make()
    with suppress(OSError, UserError):
        with atomic(file) as unfinished, unfinished.open("wb") as out:
            np.save(out, array)
        write_text(seal, json.dumps({"sha256": digest(array)}))
    return array


def kept_facts(cache: Path, key: str, make: Callable[[], dict]) -> dict:
    """The small JSON-able facts that `make` would return, from the cache where they are there."""
    file = cache / "facts" / f"{key}.json"
    try:
        facts = json.loads(file.read_text())
        if isinstance(facts, dict):
            return facts
    except (OSError, ValueError):
        pass
    facts = make()
    with suppress(OSError, UserError):
        write_text(file, json.dumps(facts))
    return facts
