"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time
from typing import Any

from sparring.errors import Busy, UserError, first_line

ADVICE = "make room there or choose another place"
GO_ON = "make room there and go on with --resume"  # of a run that has begun
LOCK = ".lock"  # in a folder that `locked` gives to one process at a time
_held: set[Path] = set()  # the folders that this process has `locked`


@contextmanager
def atomic(path: Path | str, *, advice: str = ADVICE) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes `path`'s place, on the disk, when the block ends well.

    Raises UserError where the place cannot be written (read-only, full, not a folder), with `advice` on what to do, and
    where it lies in a folder that this process has `locked` and that somebody has removed, which is not made anew.
    """
    path = Path(path)
    refuse_gone(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; {advice}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """Write a JSON file atomically, indented."""
    write_text(path, as_json(value, indent=2) + "\n")


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON: a number that is not finite is null, since JSON has no word for it."""
    return json.dumps(finite(value), indent=indent, allow_nan=False)


def read_json(path: Path | str, *, advice: str = "restore it, or remove it to have it made again") -> dict[str, Any]:
    """The object in a JSON file. Raises UserError where it is gone or damaged, for a run's own files are whole, with
    `advice` on what to do."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {advice}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no JSON object: {advice}")
    return found


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """The objects of a file of one JSON object a line (metrics.jsonl), in order; none where there is no such file.

    A line that is no whole object, such as the last one of a process that was killed, is passed over.
    """
    return [line for _, line in numbered(path) if isinstance(line, dict)]


def numbered(path: Path | str) -> list[tuple[int, Any]]:
    """What the lines of such a file hold, each with its number from 1; lines that are no JSON are passed over."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        with suppress(ValueError, RecursionError):
            found.append((number, json.loads(line)))
    return found


def finite(value: Any) -> Any:
    """`value` with None in place of every float in it that is not finite."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sweep(folder: Path, *, older: float = 0.0) -> None:
    """Remove the temporary files that killed processes left in `folder`: those of some age (seconds), where others may
    be at work there."""
    for left in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):  # another process has removed it, or put it in its place
            if time() - left.stat().st_mtime >= older:
                left.unlink()


def refuse_gone(path: Path) -> None:
    """Raise UserError where `path` lies in a folder that this process has alone and that is there no more."""
    for folder in sorted(_held & {*path.absolute().parents}):
        if not (folder / LOCK).exists():
            raise UserError(
                f"cannot write {path}: its folder is gone, {folder}, which was removed or moved while this process was "
                "at work in it; begin anew, or, where it was moved, go on there with --resume"
            )


@contextmanager
def locked(folder: Path, *, wait: float = 30.0) -> Iterator[None]:
    """Have `folder` alone, among all processes that ask, for as long as the block lasts; one that is killed lets go.

    Raises UserError where another still has it after `wait` seconds, or where it cannot be written.
    """
    from filelock import FileLock, Timeout  # here: it takes as long to import as all that --help needs

    lock = FileLock(folder / LOCK, timeout=wait)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Busy(f"another process is at work in {folder}: wait for its end, or give another place") from None
    except (OSError, NotImplementedError) as error:
        raise UserError(f"cannot write into {folder}: {first_line(error)}; give another place") from error
    _held.add(folder.absolute())
    try:
        yield
    finally:
        _held.discard(folder.absolute())
        lock.release()


def require_writable(folder: Path, *, advice: str = ADVICE, free: int = 2**20) -> None:
    """Raise UserError where nothing can be written into `folder`, or its disk has less than `free` bytes left."""
    try:
        with NamedTemporaryFile(dir=folder):
            pass
        left = shutil.disk_usage(folder).free
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}; {advice}") from error
    if left < free:
        told = f"the disk of {folder} has {left / 2**20:.1f} MiB free, too little; {advice}"
        raise UserError(told) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def plain_name(spec: str) -> str:
    """What a network, data set or method is called, as a part of a folder's name: `nets.py:tiny@w.pt` → nets-tiny."""
    name = Path(spec.partition("@")[0]).name.replace(".py:", "-")
    return re.sub(r"[^\w.+-]+", "-", name)
