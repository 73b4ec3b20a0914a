"""Encoded pictures out of tables: in memory, or end to end in one file on disk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparring.files import atomic


@dataclass(frozen=True, slots=True)
class Rows:
    """Where rows came from: `starts` (files + 1,) are the first rows of `files`, and the number of all rows."""

    starts: tuple[int, ...]
    files: tuple[str, ...]

    def __len__(self) -> int:
        return self.starts[-1]

    def where(self, row: int) -> str:
        """How an error names `row`."""
        file = bisect_right(self.starts, row) - 1
        return f"in row {row - self.starts[file]} of {self.files[file]}"


@dataclass(frozen=True, slots=True)
class Column:
    """Encoded pictures that lie in memory, as a table's column holds them: pyarrow binary `chunks`."""

    rows: Rows
    chunks: tuple[Any, ...]
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, row: int) -> str:
        return self.rows.where(row)

    def read(self, row: int, most: int = -1) -> bytes:
        chunk = bisect_right(self.starts, row) - 1
        picture = self.chunks[chunk][row - self.starts[chunk]].as_py() or b""
        return picture if most < 0 else picture[:most]


@dataclass(frozen=True, slots=True)
class Blob:
    """Encoded pictures end to end in one `file`; `ends`: (N + 1,) int64, where each ends, from 0."""

    rows: Rows
    file: str
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, row: int) -> str:
        return self.rows.where(row)

    def read(self, row: int, most: int = -1) -> bytes:
        with open(self.file, "rb") as file:
            file.seek(int(self.ends[row]))
            length = int(self.ends[row + 1] - self.ends[row])
            return file.read(length if most < 0 else min(length, most))


def unpacked(rows: Rows, chunks: Iterable[Any], blob: Path) -> Blob:
    """The pictures of pyarrow binary `chunks`, written end to end to `blob`.bin unless they are there already."""
    data, index = blob.with_suffix(".bin"), blob.with_suffix(".npy")
    try:
        ends = np.load(index)
        if len(ends) == len(rows) + 1 and data.stat().st_size == ends[-1]:
            return Blob(rows, str(data), ends)
    except (OSError, ValueError, EOFError):
        pass  # absent or damaged: written again
    sizes = [np.zeros(1, np.int64)]
    with atomic(data) as unfinished, unfinished.open("wb") as out:
        for chunk in chunks:
            pictures = [picture.as_py() or b"" for picture in chunk]
            sizes.append(np.array([len(picture) for picture in pictures], np.int64))
            out.write(b"".join(pictures))
    ends = np.cumsum(np.concatenate(sizes))
    with atomic(index) as unfinished, unfinished.open("wb") as out:
        np.save(out, ends)
    return Blob(rows, str(data), ends)
