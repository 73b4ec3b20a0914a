"""Folders of parquet files in the Hugging Face layout."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparring.core import UserError
from sparring.data.cache import content
from sparring.data.encoded import Column, Rows, unpacked
from sparring.data.found import Found, Split, numbered
from sparring.errors import first_line

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "validation")
_IMAGES = ("image", "img", "picture")
_IN_MEMORY = 2 << 30  # bytes of parquet files that may be held as they are; larger ones are unpacked on disk
_LABELS = ("label", "fine_label", "labels", "class")


def has_parquet(folder: Path) -> bool:
    """Whether parquet files lie anywhere below `folder`."""
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name.endswith(".parquet") for name in files):
            return True
    return False


def read_parquet(folder: Path, name: str, cache: Path) -> Found:
    """Find the splits, images and labels in a folder of parquet files; class names come from the schema's metadata.

    Where there is a validation split and no test split, it is the test split, as is the custom with ImageNet. Raises
    UserError where the columns cannot be told, a label is no class number, or a file is damaged.
    """
    files = _by_split(folder)
    every = [file for split in sorted(files) for file in files[split]]
    image, label, names = _columns(files["train"][0])
    key = content(every)
    splits = {
        split: _read_split(part, image, label, cache / "blobs" / f"{key}-{split}") for split, part in files.items()
    }
    return Found(name, names or numbered(splits, name), splits, key)


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
        raise UserError(f"Cannot read {file} ({first_line(error)}): fetch it again.") from None


def _columns(file: Path) -> tuple[str, str, tuple[str, ...] | None]:
    """The image column, the label column and the class names, where the metadata has them."""
    schema = _open(file).schema_arrow
    features = _features((schema.metadata or {}).get(b"huggingface", b"{}"))
    image = _pick(_IMAGES, schema.names, [n for n, f in features.items() if f.get("_type") == "Image"])
    label = _pick(_LABELS, schema.names, [n for n, f in features.items() if f.get("_type") == "ClassLabel"])
    if image is None or label is None:
        missing = "image" if image is None else "label"
        raise UserError(
            f"{file} has no {missing} column; its columns are {', '.join(schema.names)}: name one of them {missing!r}."
        )
    names = features.get(label, {}).get("names")
    return image, label, tuple(map(str, names)) if names else None


def _features(stored: bytes) -> dict[str, dict]:
    """What the hub's metadata says of each column; nothing where it is no such metadata."""
    try:
        return {k: v for k, v in json.loads(stored)["info"]["features"].items() if isinstance(v, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _pick(wanted: tuple[str, ...], names: list[str], typed: list[str]) -> str | None:
    return next((n for n in wanted if n in names and (not typed or n in typed)), next(iter(typed), None))


def _read_split(files: list[Path], image: str, label: str, blob: Path) -> Split:
    starts = [0, *accumulate(_open(file).metadata.num_rows for file in files)]
    labels = np.concatenate([_ints(_read(file, label), label, file) for file in files])
    rows = Rows(tuple(starts), tuple(map(str, files)))
    if sum(file.stat().st_size for file in files) > _IN_MEMORY:
        return Split(unpacked(rows, (_binary(c, image, f) for f in files for c in _batches(f, image)), blob), labels)
    chunks = [_binary(chunk, image, file) for file in files for chunk in _read(file, image).chunks]
    return Split(Column(rows, tuple(chunks), (0, *accumulate(map(len, chunks)))), labels)


def _read(file: Path, column: str) -> Any:
    table = _open(file)
    if column not in table.schema_arrow.names:
        raise UserError(f"{file} has no column {column!r}, as the first training file has: give all files the same.")
    try:
        return table.read(columns=[column]).column(0)
    except (pa.ArrowException, OSError, IndexError) as error:
        raise UserError(f"Cannot read {file} ({first_line(error)}): fetch it again.") from None


def _batches(file: Path, column: str) -> Iterator[Any]:
    try:
        for batch in _open(file).iter_batches(1000, columns=[column]):
            yield batch.column(0)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"Cannot read {file} ({first_line(error)}): fetch it again.") from None


def _binary(chunk: Any, image: str, file: Path) -> Any:
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
