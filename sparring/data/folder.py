"""Folders of image files, one sub-folder a class; and the layout of tiny-imagenet-200."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparring.core import UserError
from sparring.data.found import Found, Split

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
_SPLITS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}


@dataclass(frozen=True, slots=True)
class Files:
    """Picture files below `root`: their names lie end to end in one byte array, so a million cost no Python objects.

    text: (bytes,) uint8, the UTF-8 names; ends: (N + 1,) int64, where each ends, from 0.
    """

    root: str
    text: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends) - 1

    def where(self, row: int) -> str:
        return os.path.join(self.root, os.fsdecode(self.text[self.ends[row] : self.ends[row + 1]].tobytes()))

    def read(self, row: int) -> bytes:
        try:
            with open(self.where(row), "rb") as file:
                return file.read()
        except OSError as error:
            raise UserError(f"Cannot read the image {self.where(row)} ({error.strerror}): put it back.") from None


def read_folder(folder: Path) -> Found:
    """Find the images of a folder with class sub-folders, perhaps within train/, val/ and test/.

    Where there is val/ and no test/, it is the test split, as is the custom with ImageNet. Raises UserError for an
    empty class folder, a class that a split lacks, and a folder without images.
    """
    roots = {split: _sub(folder, spelled) for split, spelled in _SPLITS.items()}
    given = {split: root for split, root in roots.items() if root}
    if "train" not in given:
        given = {"train": folder}
    if "validation" in given and "test" not in given:
        given["test"] = given.pop("validation")
    classes = {split: _classes(root) for split, root in given.items()}
    if not classes["train"]:
        raise UserError(f"{given['train']} holds no class folders with images: expected {given['train']}/CLASS/*.png.")
    for split in classes:
        _same_classes(given["train"], classes["train"], given[split], classes[split])
    total = hashlib.sha256()
    splits = {s: _listed(root, [(c, root / c) for c in classes["train"]], total) for s, root in sorted(given.items())}
    return Found(folder.name or str(folder), tuple(classes["train"]), splits, total.hexdigest())


def _sub(folder: Path, spelled: Iterable[str]) -> Path | None:
    return next((folder / name for name in spelled if (folder / name).is_dir()), None)


def _classes(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _same_classes(train: Path, ours: list[str], other: Path, theirs: list[str]) -> None:
    for has, lacks, extra in ((train, other, set(ours) - set(theirs)), (other, train, set(theirs) - set(ours))):
        if extra:
            raise UserError(
                f"Class {min(extra)!r} is in {has} but missing in {lacks}: every split needs the same class folders."
            )


def _listed(root: Path, classes: list[tuple[str, Path]], total: hashlib._Hash) -> Split:
    """The pictures of each class folder, by name; `total` takes in their names, sizes and times."""
    text, ends, labels = bytearray(), [np.zeros(1, np.int64)], []
    for label, (name, folder) in enumerate(classes):
        names = sorted(_pictures(folder))
        if not names:
            raise UserError(
                f"The class folder {folder} holds no images: put some in, or take the folder of {name!r} out."
            )
        inside = [os.fsencode(os.path.relpath(path, root)) for path, _, _ in names]
        total.update(
            repr((name, [(path, size, when) for path, (_, size, when) in zip(inside, names, strict=True)])).encode()
        )
        ends.append(np.cumsum([len(path) for path in inside]) + len(text))
        text += b"".join(inside)
        labels.append(np.full(len(inside), label, np.int64))
    files = Files(str(root), np.frombuffer(bytes(text), np.uint8), np.concatenate(ends).astype(np.int64))
    return Split(files, np.concatenate(labels))


def _pictures(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(path, size, time) of each image file in `folder` or below; hidden files are passed over."""
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _pictures(Path(entry.path))
        elif entry.name.lower().endswith(_ENDINGS):
            stat = entry.stat()
            yield entry.path, stat.st_size, stat.st_mtime_ns


def is_tiny_imagenet(folder: Path) -> bool:
    """Whether `folder` has the public layout of tiny-imagenet-200."""
    return (folder / "val" / "val_annotations.txt").is_file() and (folder / "train").is_dir()


def read_tiny_imagenet(folder: Path) -> Found:
    """Read tiny-imagenet-200: train/WNID/images/*, and val/images/* with val_annotations.txt as the test split."""
    train, val = folder / "train", folder / "val"
    names = _classes(train)
    total = hashlib.sha256()
    splits = {"train": _listed(train, [(name, train / name) for name in names], total)}
    number = {name: label for label, name in enumerate(names)}
    rows: list[tuple[str, int]] = []
    for line, text in enumerate((val / "val_annotations.txt").read_text().splitlines(), 1):
        file, _, rest = text.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in number:
            raise UserError(
                f"Line {line} of {val / 'val_annotations.txt'} names {wnid!r}, which is no folder of {train}."
            )
        rows.append((file, number[wnid]))
    paths = [os.fsencode(os.path.join("images", file)) for file, _ in rows]
    total.update(repr(rows).encode())
    text = np.frombuffer(b"".join(paths), np.uint8)
    ends = np.cumsum([0, *map(len, paths)]).astype(np.int64)
    splits["test"] = Split(Files(str(val), text, ends), np.array([label for _, label in rows], np.int64))
    return Found("tiny-imagenet", tuple(names), splits, total.hexdigest())
