"""Records on disk, one for each row and view: memory-mapped, filled in any order, each with a seal of its own.

A record is there if its seal is right: a checksum of its bytes that begins with the shelf's key, the view and the row.
So a process killed at any moment, two that fill one shelf, a damaged disk or a file from elsewhere leave records that
are true or not there, and nothing has to be written in any order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import numpy as np

SEAL = 4  # bytes


class Shelf:
    """The records of `rows` rows in any number of views, `width` bytes each; a file for each view, made when needed.

    key: what the records depend on; those of another key are not there. damaged: how many were found that had a seal,
    and not the right one. full: why nothing more is written, where the disk has said so.
    """

    def __init__(self, folder: Path, key: str, *, rows: int, width: int) -> None:
        self.folder, self.key, self.rows, self.width = folder, key, rows, width
        self.damaged = 0
        self.full: str | None = None
        self._maps: dict[int, np.ndarray] = {}

    def read(self, view: int, rows: np.ndarray) -> np.ndarray | None:
        """The records (B, width) uint8 of some rows (B,) in a view; None where one of them is not there."""
        records = self._records(view)
        if records is None:
            return None
        found = records[rows]
        if (whole := self._whole(view, rows, found)).all():
            return np.ascontiguousarray(found[:, : self.width])
        self.damaged += int((found[~whole, self.width :].any(1)).sum())
        return None

    def there(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Which of some rows (B,) have a record in a view: (B,) bool."""
        records = self._records(view)
        return np.zeros(len(rows), bool) if records is None else self._whole(view, rows, records[rows])

    def write(self, view: int, rows: np.ndarray, values: np.ndarray) -> None:
        """Keep the records (B, width) uint8 of some rows (B,) in a view; of those that are there already the first
        stays. A disk that takes no more is done without, and `full` says so."""
        if self.full:
            return
        missing = np.flatnonzero(~self.there(view, rows))
        size = self.width + SEAL
        try:
            with self._opened(view) as file:
                for at in missing[np.argsort(rows[missing])].tolist():
                    row, value = int(rows[at]), values[at].tobytes()
                    seal = self._seal(view, row, value).to_bytes(SEAL, sys.byteorder)
                    os.pwrite(file, value + seal, row * size)
        except OSError as error:
            self.full = f"{self.folder} takes no more ({error.strerror})"

    @property
    def bytes_of_view(self) -> int:
        """What all records of one view take."""
        return self.rows * (self.width + SEAL)

    @property
    def begun(self) -> int:
        """For how many views there are records."""
        return len(list(self.folder.glob("view-*.bin")))

    def bytes_missing(self, views: int) -> int:
        """How many bytes the first `views` views would still take on the disk."""
        taken = sum(self.file(view).stat().st_blocks * 512 for view in range(views) if self.file(view).exists())
        return max(0, views * self.bytes_of_view - taken)

    def file(self, view: int) -> Path:
        """Where the records of a view lie."""
        return self.folder / f"view-{view:04d}.bin"

    @contextmanager
    def _opened(self, view: int) -> Iterator[int]:
        """The file of a view to write to, as long as it has to be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self.file(view), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if os.fstat(file).st_size < self.bytes_of_view:
                reserve(file, self.bytes_of_view)  # what others have written meanwhile stays
            yield file
        finally:
            os.close(file)

    def _records(self, view: int) -> np.ndarray | None:
        """All records of a view (N, width + seal), mapped; None where there are none."""
        if view not in self._maps:
            try:
                if self.file(view).stat().st_size < self.bytes_of_view:
                    return None  # not begun, or cut off: made whole when it is written to
                shape = (self.rows, self.width + SEAL)
                self._maps[view] = np.memmap(self.file(view), dtype=np.uint8, mode="r", shape=shape)
            except OSError:
                return None
        return self._maps[view]

    def _whole(self, view: int, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Which of the records (B, width + seal) that were found bear the right seal: (B,) bool."""
        values, seals = found[:, : self.width], np.ascontiguousarray(found[:, self.width :]).view(np.uint32)[:, 0]
        return np.fromiter(
            (
                bool(seal) and seal == self._seal(view, row, value)
                for row, value, seal in zip(rows.tolist(), map(memoryview, values), seals.tolist(), strict=True)
            ),
            dtype=bool,
            count=len(rows),
        )

    def _seal(self, view: int, row: int, value: bytes | memoryview) -> int:
        """The seal of a record, never 0, which is what a hole holds."""
        return crc32(value, crc32(f"{self.key}/{view}/{row}".encode())) or 1


def reserve(file: int, size: int) -> None:
    """Make a file as long as `size`, its room on the disk taken: a process that reads a mapped hole for which there is
    none left is killed. Raises OSError where there is not so much. (Where a system cannot reserve, with holes.)"""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
