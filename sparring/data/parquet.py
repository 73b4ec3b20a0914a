"""Folders of parquet files in the Hugging Face layout."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparring.core import UserError
from sparring.data.cache import content
from sparring.data.found import Found, Split

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "validation")
_IMAGES = ("image", "img", "picture")
_LABELS = ("label", "fine_label", "labels", "class")


@dataclass(frozen=True)
class Column:
    """Encoded pictures that lie in memory, as a parquet column holds them."""

    chunks: tuple[Any, ...]  # pyarrow binary arrays
    starts: tuple[int, ...]
    file_starts: tuple[int, ...]
    files: tuple[str, ...]

    def __len__(self) -> int:
        return self.starts[-1]

    def read(self, row: int) -> bytes:
        chunk = bisect_right(self.starts, row) - 1
        return self.chunks[chunk][row - self.starts[chunk]].as_py() or b""

    def where(self, row: int) -> str:
        file = bisect_right(self.file_starts, row) - 1
        return f"in row {row - self.file_starts[file]} of {self.files[file]}"


def has_parquet(folder: Path) -> bool:
    """Whether parquet files lie anywhere below `folder`."""
    return next(folder.rglob("*.parquet"), None) is not None


def read_parquet(folder: Path, name: str) -> Found:
    """Find the splits, images and labels in a folder of parquet files; class names come from the schema's metadata.

    Where there is a validation split and no test split, it is the test split, as is the custom with ImageNet. Raises
    UserError where the columns cannot be told, a label is no class number, or a file is damaged.
    """
    files = _by_split(folder)
    every = [file for split in sorted(files) for file in files[split]]
    image, label, names = _columns(every[0])
    splits = {split: _read_split(part, image, label) for split, part in files.items()}
    count = 1 + max(int(split.labels.max(initial=0)) for split in splits.values())
    return Found(name, names or tuple(map(str, range(count))), splits, content(every))


def _by_split(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*.parquet")):
        inside = file.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        words = [re.split(r"[-_.\d]", part)[0].lower() for part in reversed(inside.parts)]
        split = next((_SPLITS[word] for word in words if word in _SPLITS), "train")
        found.setdefault(split, []).append(file)
    if "validation" in found and "test" not in found:
        found["test"] = found.pop("validation")
    if "train" not in found:
        raise UserError(f"{folder} holds no training rows: expected a parquet file whose name starts with 'train'.")
    return found


def _open(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"Cannot read {file} ({_first_line(error)}): fetch it again.") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__


def _columns(file: Path) -> tuple[str, str, tuple[str, ...] | None]:
    """The image column, the label column and the class names, where the metadata has them."""
    schema = _open(file).schema_arrow
    stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = {k: v for k, v in stored.get("info", {}).get("features", {}).items() if isinstance(v, dict)}
    image = _pick(_IMAGES, schema.names, [n for n, f in features.items() if f.get("_type") == "Image"])
    label = _pick(_LABELS, schema.names, [n for n, f in features.items() if f.get("_type") == "ClassLabel"])
    if image is None or label is None:
        missing = "image" if image is None else "label"
        raise UserError(
            f"{file} has no {missing} column; its columns are {', '.join(schema.names)}: name one of them {missing!r}."
        )
    names = features.get(label, {}).get("names")
    return image, label, tuple(map(str, names)) if names else None


def _pick(wanted: tuple[str, ...], names: list[str], typed: list[str]) -> str | None:
    return next((n for n in wanted if n in names and (not typed or n in typed)), next(iter(typed), None))


def _read_split(files: list[Path], image: str, label: str) -> Split:
    chunks: list[Any] = []
    labels: list[np.ndarray] = []
    starts, file_starts = [0], []
    for file in files:
        file_starts.append(starts[-1])
        try:
            table = _open(file).read(columns=[image, label])
        except (pa.ArrowException, OSError, KeyError) as error:
            raise UserError(f"Cannot read {file} ({_first_line(error)}): fetch it again.") from None
        for chunk in table.column(image).chunks:
            chunks.append(_bytes(chunk, image, file))
            starts.append(starts[-1] + len(chunk))
        labels.append(_ints(table.column(label), label, file))
    encoded = Column(tuple(chunks), tuple(starts), tuple(file_starts), tuple(map(str, files)))
    return Split(encoded, np.concatenate(labels))


def _bytes(chunk: Any, image: str, file: Path) -> Any:
    kind = chunk.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        chunk = chunk.field("bytes")
    if not (pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type)):
        raise UserError(f"Column {image!r} of {file} holds {kind}, not the bytes of image files: store encoded images.")
    return chunk


def _ints(column: Any, label: str, file: Path) -> np.ndarray:
    if not pa.types.is_integer(column.type) or column.null_count:
        held = "missing values" if column.null_count else str(column.type)
        raise UserError(f"Column {label!r} of {file} holds {held} where class numbers 0, 1, … were expected.")
    return column.to_numpy().astype(np.int64)
