"""Folders of image files, one sub-folder a class; and the layout of tiny-imagenet-200."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparring.core import UserError
from sparring.data.cache import kept_facts
from sparring.data.found import Found, Split

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm")
_HASHED_BYTES = 8 << 30  # of larger folders only names and sizes are hashed: reading all would take minutes
ORDER = "classes.txt"  # in a folder of images: its class folders in an order of the user's own
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
        return _shown(self._path(row))

    def _path(self, row: int) -> bytes:
        return os.path.join(os.fsencode(self.root), self.text[self.ends[row] : self.ends[row + 1]].tobytes())

    def read(self, row: int, most: int = -1) -> bytes:
        try:
            with open(self._path(row), "rb") as file:
                return file.read(most)
        except OSError as error:
            raise UserError(f"Cannot read the image {self.where(row)} ({error.strerror}): put it back.") from None


class Stamp:
    """Grows into the identity of the files that are listed: quickly by names, sizes and times, truly by content."""

    def __init__(self) -> None:
        self.quick, self.names, self.bytes = hashlib.sha256(), hashlib.sha256(), 0

    def take(self, label: str, files: list[tuple[bytes, int, int]]) -> None:
        """Take in a class's files as (name, size, time)."""
        self.quick.update(repr((label, files)).encode())
        self.names.update(repr((label, [(name, size) for name, size, _ in files])).encode())
        self.bytes += sum(size for _, size, _ in files)

    def content(self, splits: dict[str, Split], cache: Path) -> str:
        """The sha256 hex of names and content; the cache remembers it for as long as no size or time changes."""
        if self.bytes > _HASHED_BYTES:
            return self.names.hexdigest()
        key = f"content-{self.quick.hexdigest()}"
        return str(kept_facts(cache, key, lambda: {"sha256": self._hashed(splits)})["sha256"])

    def _hashed(self, splits: dict[str, Split]) -> str:
        total = self.names.copy()
        for split in splits.values():
            if isinstance(split.pictures, Files):
                for row in range(len(split.pictures)):
                    total.update(hashlib.sha256(split.pictures.read(row)).digest())
        return total.hexdigest()


def read_folder(folder: Path, cache: Path) -> Found:
    """Find the images of a folder with class sub-folders, perhaps within train/, val/ and test/.

    Classes are ordered by the names of their folders, or as the file classes.txt in `folder` has them, one a line.
    Where there is val/ and no test/, it is the test split, as is the custom with ImageNet. Raises UserError for an
    empty class folder, a class that a split lacks, fewer than two classes, and a split beside no train/.
    """
    roots = {split: _sub(folder, spelled) for split, spelled in _SPLITS.items()}
    given = {split: root for split, root in roots.items() if root}
    if "train" not in given:
        _no_split(folder, list(given.values()))
        given = {"train": folder}
    if "validation" in given and "test" not in given:
        given["test"] = given.pop("validation")
    classes = {split: class_folders(root) for split, root in given.items()}
    _several(given["train"], classes["train"])
    for split in classes:
        _same_classes(given["train"], classes["train"], given[split], classes[split])
    stamp, order = Stamp(), in_order(folder / ORDER, classes["train"])
    splits = {split: listed(root, order, stamp) for split, root in sorted(given.items())}
    return Found(folder.resolve().name, tuple(order), splits, stamp.content(splits, cache))


def in_order(file: Path, names: list[str]) -> list[str]:
    """The class folders as `file` orders them, one a line, where there is one; else by name.

    Raises UserError where it does not name each of them once.
    """
    if not file.is_file():
        return names
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {file} ({error}): mend it, or take it away.") from None
    order = [line.strip() for line in lines if line.strip()]
    wrong = [f"names {name!r}, which is no class folder" for name in order if name not in names]
    wrong += [f"lacks the class folder {name!r}" for name in names if name not in order]
    wrong += [f"names {name!r} more than once" for name in names if order.count(name) > 1]
    if wrong:
        raise UserError(
            f"{file} {wrong[0]}: it sets the order of the classes, with the name of each class folder on a line of its "
            "own; mend it, or take it away."
        )
    return order


def _shown(path: bytes) -> str:
    """A path as it can be printed, whatever bytes are in it."""
    return path.decode("utf-8", "replace")


def _sub(folder: Path, spelled: Iterable[str]) -> Path | None:
    return next((folder / name for name in spelled if (folder / name).is_dir()), None)


def class_folders(root: Path) -> list[str]:
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _cannot_read(error) from None
    if odd := [name for name in names if name != _shown(os.fsencode(name))]:
        raise UserError(f"The folder {odd[0]!r} in {root} has a name that is not UTF-8: rename it.")
    return names


def _cannot_read(error: OSError) -> UserError:
    where = _shown(os.fsencode(error.filename))[:200]
    return UserError(f"Cannot read {where} ({error.strerror}): mend that file or link, or remove it.")


def _no_split(folder: Path, named: list[Path]) -> None:
    """Refuse a folder without train/ whose sub-folders called as splits (`named`) are splits, and not classes."""
    splits = [root for root in named if class_folders(root)]
    if splits or len(named) == len(class_folders(folder)) > 0:
        raise UserError(
            f"{folder} holds {(splits or named)[0].name}/ but no train/: put the images to learn from in "
            f"{folder}/train/CLASS/."
        )


def _several(root: Path, classes: list[str]) -> None:
    """Refuse class folders of which there is none, or one alone."""
    if not classes:
        raise UserError(f"{root} holds no class folders: expected images in {root}/CLASS/.")
    if len(classes) == 1:
        inside = root / classes[0]
        way_out = (
            f"did you mean {inside}?" if len(class_folders(inside)) > 1 else "two or more are needed to tell apart."
        )
        raise UserError(f"{root} holds one class folder only, {classes[0]}/: {way_out}")


def _same_classes(train: Path, ours: list[str], other: Path, theirs: list[str]) -> None:
    for has, lacks, extra in ((train, other, set(ours) - set(theirs)), (other, train, set(theirs) - set(ours))):
        if extra:
            raise UserError(
                f"Class {min(extra)!r} is in {has} but missing in {lacks}: every split needs the same class folders."
            )


def listed(root: Path, classes: list[str], stamp: Stamp) -> Split:
    """The pictures of each class folder, ordered by name."""
    text, ends, labels = bytearray(), [np.zeros(1, np.int64)], []
    for label, name in enumerate(classes):
        try:
            found = [(os.path.relpath(path, root), size, when) for path, size, when in pictures(root / name)]
        except OSError as error:
            raise _cannot_read(error) from None
        if not found:
            raise _no_images(root / name)
        files = sorted((os.fsencode(path), size, when) for path, size, when in found)
        stamp.take(name, files)
        ends.append(np.cumsum([len(path) for path, *_ in files]) + len(text))
        text += b"".join(path for path, *_ in files)
        labels.append(np.full(len(files), label, np.int64))
    return Split(Files(str(root), np.frombuffer(text, np.uint8), np.concatenate(ends)), np.concatenate(labels))


def _no_images(folder: Path) -> UserError:
    other = next((entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")), None)
    kinds = f" ({other} is none of {', '.join(_ENDINGS)})" if other else ""
    return UserError(f"The class folder {folder} holds no images{kinds}: put some in, or take it out.")


def pictures(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(path, size, time) of each image file in `folder` or below; hidden files are passed over."""
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from pictures(Path(entry.path))
        elif entry.name.lower().endswith(_ENDINGS):
            stat = entry.stat()
            yield entry.path, stat.st_size, stat.st_mtime_ns


def holds_pictures(folder: Path) -> bool:
    """Whether `folder` has class folders with image files right in them, perhaps within train/; runs are none."""
    root = _sub(folder, _SPLITS["train"]) or folder
    places = [root / name for name in class_folders(root) if not (root / name / "config.yaml").exists()]
    found = (entry for place in places for entry in os.scandir(place))
    return any(entry.is_file() and entry.name.lower().endswith(_ENDINGS) for entry in found)


def is_tiny_imagenet(folder: Path) -> bool:
    """Whether `folder` has the public layout of tiny-imagenet-200."""
    return (folder / "val" / "val_annotations.txt").is_file() and (folder / "train").is_dir()


def read_tiny_imagenet(folder: Path, cache: Path) -> Found:
    """Read tiny-imagenet-200: train/WNID/images/*, and val/images/* with val_annotations.txt as the test split."""
    train, stamp = folder / "train", Stamp()
    names = class_folders(train)
    splits = {"train": listed(train, names, stamp)}
    splits["test"] = _annotated(folder / "val", {name: label for label, name in enumerate(names)}, stamp)
    return Found("tiny-imagenet", tuple(names), splits, stamp.content(splits, cache))


def _annotated(val: Path, number: dict[str, int], stamp: Stamp) -> Split:
    """The pictures that val_annotations.txt lists, each line a file's name, its class and what we do not need."""
    notes = val / "val_annotations.txt"
    files: list[tuple[bytes, int, int]] = []
    labels: list[int] = []
    for line, text in enumerate(notes.read_text().splitlines(), 1):
        file, wnid = [*text.split("\t"), ""][:2]
        if wnid not in number:
            raise UserError(f"Line {line} of {notes} names {wnid!r}, which is no folder of {val.parent / 'train'}.")
        try:
            stat = (val / "images" / file).stat()
        except OSError:
            raise UserError(f"Line {line} of {notes} names {file!r}, which is not in {val / 'images'}.") from None
        files.append((os.fsencode(os.path.join("images", file)), stat.st_size, stat.st_mtime_ns))
        labels.append(number[wnid])
    stamp.take("test", files)
    text = np.frombuffer(b"".join(path for path, *_ in files), np.uint8)
    ends = np.cumsum([0, *(len(path) for path, *_ in files)])
    return Split(Files(str(val), text, ends), np.array(labels, np.int64))
