"""MNIST's own file format, IDX, packed or not."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from sparring.core import UserError
from sparring.data.cache import content
from sparring.data.found import Found, Split, numbered

_FILES = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}


def has_idx(folder: Path) -> bool:
    """Whether `folder` holds MNIST-like IDX files."""
    return _file(folder, "train-images", 3) is not None


def read_idx(folder: Path, name: str, class_names: tuple[str, ...] = ()) -> Found:
    """Read train and t10k images and labels. Raises UserError for a missing or damaged file."""
    splits: dict[str, Split] = {}
    files: list[Path] = []
    for split, (images, labels) in _FILES.items():
        pair = _file(folder, images, 3), _file(folder, labels, 1)
        if pair[0] is None or pair[1] is None:
            missing = f"{images}-idx3-ubyte" if pair[0] is None else f"{labels}-idx1-ubyte"
            raise UserError(f"{folder} lacks the file {missing} (or {missing}.gz): fetch it beside the others.")
        files += [pair[0], pair[1]]
        splits[split] = Split(_array(pair[0], 3)[:, None], _array(pair[1], 1).astype(np.int64))
    return Found(name, class_names or numbered(splits, name), splits, content(files))


def _file(folder: Path, stem: str, rank: int) -> Path | None:
    spelled = [f"{stem}{dash}idx{rank}-ubyte{end}" for dash in "-." for end in ("", ".gz")]
    return next((folder / name for name in spelled if (folder / name).is_file()), None)


def _array(file: Path, rank: int) -> np.ndarray:
    """The file's uint8 array of `rank` axes: a big-endian header (0, 0, 8, rank, sides…), then the bytes."""
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        magic, *shape = struct.unpack_from(f">I{rank}I", raw)
        body = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise UserError(f"Cannot read {file} ({error}): fetch it again.") from None
    if magic != 0x0800 + rank or body.size != np.prod(shape):
        raise UserError(f"{file} is no whole IDX file of {rank} axes of bytes: fetch it again.")
    return body.reshape(shape).copy()
