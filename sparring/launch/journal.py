"""A search's journal.log, as Optuna keeps it: one record a line. A line that was cut off is dropped before the next.

Optuna passes over a last line without an end, but appends to it: power cut or full disk would make one broken line of
two. Importing this needs the extra `hpo`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sparring.errors import UserError
from sparring.launch.search import JOURNAL

LOCK = f".{JOURNAL}.lock"
BLOCK = 2**16  # bytes that are looked through at a time for where a line ends


def journal(out: Path) -> JournalStorage:
    """The storage in a search's folder, made where there is none. Raises UserError for one that is damaged."""
    file = out / JOURNAL
    turn: Any = Turn(out)  # Optuna asks for no more than the two methods
    try:
        out.mkdir(parents=True, exist_ok=True)
        turn.acquire()
        try:
            refuse_broken(file)
        finally:
            turn.release()
        return JournalStorage(Lines(str(file), lock_obj=turn))
    except OSError as error:
        raise UserError(
            f"cannot write {file}: {error.strerror or error}; make room there, or give another --out"
        ) from error


class Turn:
    """The journal's lock, which a killed process lets go at once (Optuna's own lie there for half a minute). Whoever
    has it is the only one that writes, and finds whole lines."""

    def __init__(self, out: Path) -> None:
        self.file, self.lock = out / JOURNAL, FileLock(out / LOCK)

    def acquire(self) -> bool:
        self.lock.acquire()
        try:
            drop_unfinished(self.file)
        except BaseException:
            self.lock.release()
            raise
        return True

    def release(self) -> None:
        self.lock.release()


class Lines(JournalFileBackend):
    """Optuna's journal, that tells a full disk in a sentence."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError as error:
            raise UserError(f"cannot write {self._file_path}: {error.strerror or error}; make room there") from error


def drop_unfinished(file: Path) -> None:
    """Cut off what follows the last line that has an end. It was never read, and whoever wrote it ended there; taking
    away needs no room on a full disk, and is done at once or not at all."""
    if not file.exists():
        return
    with file.open("r+b") as opened:
        size = end = opened.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            opened.seek(start)
            if (at := opened.read(end - start).rfind(b"\n")) >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            opened.truncate(end)
            os.fsync(opened.fileno())


def refuse_broken(file: Path) -> None:
    """Raise UserError for a line that is no record: what follows it cannot be understood without it."""
    if not file.exists():
        return
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            try:
                whole = isinstance(json.loads(line), dict)
            except ValueError:
                whole = False
            if not whole:
                raise UserError(
                    f"{file} is damaged in line {number}, and what follows cannot be understood without it: restore "
                    "the file from a copy, or search again with another --out"
                )
