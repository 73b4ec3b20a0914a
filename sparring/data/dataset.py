"""A data set made ready: decoded or streamed, its validation rows held out, its pixels measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from sparring.core import UserError
from sparring.data.cache import digest, kept_array, kept_facts
from sparring.data.decode import Encoded, Form, decode_all, upright
from sparring.data.found import Found, checked
from sparring.data.images import RESIDENT_BYTES, Images, Resident, Streamed
from sparring.data.resize import resized
from sparring.data.split import stratified

VAL = 0.1  # the part of the training images held out for validation unless told otherwise
SMALL = 64  # pixels of the shorter side up to which images are cropped at their own scale
_AT_ONCE = 64 << 20  # bytes of pixels that are measured in one go
_MEASURED = 10_000  # images whose pixels are measured where a set is too large to measure all


@dataclass(frozen=True)
class Data:
    """A data set, ready to train on: its parts, its classes and its pixels' statistics.

    shape: (C, H, W); mean, std: per channel, of pixel / 255 over the original training set (before a validation part
    is held out, so they do not depend on `val`); fingerprint: sha256 hex of the content; validation, test: None
    where there is none; omitted: classes that only the test images show (see `omitted.py`).
    """

    name: str
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    train: Images
    validation: Images | None
    test: Images | None
    omitted: tuple[int, ...] = ()

    @property
    def classes(self) -> int:
        """The number of classes, K."""
        return len(self.class_names)


def build(found: Found, *, val: float, size: int | None, cache: Path) -> Data:
    """Make what a reader found into `Data`: check, decode or stream, hold out, measure.

    val: the part of the training images held out for validation, in [0, 1); size: scale the shorter side of every
    image to `size` and cut out the middle. Sets of more than `RESIDENT_BYTES` decoded are streamed. Raises UserError
    for anything the user must mend.
    """
    if not 0 <= val < 1:
        raise UserError(f"val={val} is no part of the training set: choose 0 <= val < 1, such as 0.1.")
    if size is not None and size < 1:
        raise UserError(f"size={size} is no image size: choose a number of pixels, such as 32.")
    if "validation" in found.splits and val not in (0, VAL):
        raise UserError(
            f"{found.name} has validation images of its own, so val={val} would hold none out: leave val out to use "
            "these, or pass val=0 to train without."
        )
    key = digest(checked(found).key, size)
    parts = _parts(found, size, cache, key)
    statistics = kept_facts(cache, f"{key}-statistics", lambda: _statistics(parts["train"]))
    name = found.augment or usual_augmentation(parts["train"].shape)
    parts = _held_out(found, {split: replace(part, augment=name) for split, part in parts.items()}, val)
    return Data(
        name=found.name,
        class_names=found.class_names,
        shape=parts["train"].shape,
        mean=tuple(statistics["mean"]),
        std=tuple(statistics["std"]),
        fingerprint=key,
        train=parts["train"],
        validation=parts.get("validation"),
        test=parts.get("test"),
    )


def usual_augmentation(shape: tuple[int, int, int]) -> str:
    """The augmentation of images of (C, H, W) where neither data set nor user names one: the field's for photographs.

    Grey images are not mirrored, for they may be letters, digits or scans, which then are something else; of a signal
    nothing is known that leaves its meaning alone. A run writes down what it was (`recipes.augmentation`).
    """
    channels, side = shape[0], min(shape[1:])
    if side == 1:
        return "none"
    crop = "crop" if side <= SMALL else "resized-crop"
    return crop if channels == 1 else f"{crop}+flip"


def _parts(found: Found, size: int | None, cache: Path, key: str) -> dict[str, Images]:
    first = found.splits["train"].pictures
    if isinstance(first, np.ndarray):
        if size is not None and first.dtype != np.uint8:
            raise UserError(f"The pixels of {found.name} are no bytes and cannot be scaled: leave out size={size}.")
        arrays = {s: resized(p.pictures, size) for s, p in found.splits.items() if isinstance(p.pictures, np.ndarray)}
        return {split: _resident(arrays[split], part.labels) for split, part in found.splits.items()}
    form = _form(first, size)
    total = sum(len(part.labels) for part in found.splits.values()) * int(np.prod(form.shape))
    if total > RESIDENT_BYTES:
        return _streamed(found, form, cache, key)
    arrays = {
        split: kept_array(cache, f"{key}-{split}", partial(decode_all, part.pictures, form))
        for split, part in found.splits.items()
        if not isinstance(part.pictures, np.ndarray)
    }
    return {split: _resident(array, found.splits[split].labels) for split, array in _alike(arrays).items()}


def _form(source: Encoded, size: int | None) -> Form:
    if size is not None:
        return Form((3, size, size), resize=True)
    height, width = upright(source.read(0), source.where(0)).shape[:2]
    return Form((3, height, width), like=source.where(0))


def _alike(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Grey splits beside coloured ones as colour."""
    channels = max(array.shape[1] for array in arrays.values())
    return {s: a if a.shape[1] == channels else np.repeat(a, channels, axis=1) for s, a in arrays.items()}


def _resident(array: np.ndarray, labels: np.ndarray) -> Resident:
    return Resident(torch.from_numpy(array), torch.from_numpy(labels), torch.arange(len(labels)))


def _streamed(found: Found, form: Form, cache: Path, key: str) -> dict[str, Images]:
    from sparring.data.survey import survey

    sources = {s: p.pictures for s, p in found.splits.items() if not isinstance(p.pictures, np.ndarray)}
    facts = kept_facts(cache, f"{key}-survey", lambda: survey(sources, form))
    form = replace(form, shape=(facts["channels"], *form.shape[1:]))
    return {
        split: Streamed(source, form, torch.from_numpy(found.splits[split].labels), torch.arange(len(source)))
        for split, source in sources.items()
    }


def _statistics(part: Images) -> dict[str, list[float]]:
    """Mean and standard deviation per channel of pixel / 255, from exact counts of the 256 values where they are
    bytes."""
    if isinstance(part, Resident) and part.x.is_floating_point():
        pixels = part.x.double().transpose(0, 1).flatten(1)
        return {"mean": pixels.mean(1).tolist(), "std": pixels.std(1, correction=0).clamp(min=1 / 255).tolist()}
    rows = torch.arange(len(part))
    if isinstance(part, Streamed):
        rows = torch.linspace(0, len(part) - 1, min(len(part), _MEASURED)).long()
    counts = np.zeros((part.shape[0], 256))
    for chunk in rows.split(max(1, _AT_ONCE // int(np.prod(part.shape)))):
        pixels = (part.x[chunk] if isinstance(part, Resident) else part.decoded(chunk)).numpy()
        for channel, count in enumerate(counts):
            count += np.bincount(pixels[:, channel].ravel(), minlength=256)
    value, share = np.arange(256) / 255, counts / counts.sum(1, keepdims=True)
    mean = share @ value
    spread = np.sqrt(share @ value**2 - mean**2)
    return {"mean": mean.tolist(), "std": np.maximum(spread, 1 / 255).tolist()}  # a constant channel divides by no 0


def _held_out(found: Found, parts: dict[str, Images], val: float) -> dict[str, Images]:
    """Carve a test part where the set has none and wants one, then the validation part."""
    train, labels = parts["train"], found.splits["train"].labels
    kept = np.arange(len(labels))
    if "test" not in parts and found.carve_test:
        kept, test = stratified(labels, found.carve_test, salt=1)
        parts["test"] = train.take(_some(test, found, "test", found.carve_test))
    if val and "validation" not in parts:
        rest, held = stratified(labels[kept], val)
        parts["validation"] = train.take(kept[_some(held, found, "validation", val)])
        kept = kept[rest]
    if not val:
        parts.pop("validation", None)
    if len(kept) < len(labels):
        parts["train"] = train.take(kept)
    return parts


def _some(rows: np.ndarray, found: Found, part: str, fraction: float) -> np.ndarray:
    if len(rows) == 0:
        way_out = "raise val, or pass val=0" if part == "validation" else "add images, or give a test split"
        count = len(found.splits["train"].labels)
        raise UserError(
            f"{found.name} has {count} training images, too few to hold out {fraction:.0%} of each class for "
            f"{part}: {way_out}."
        )
    return rows
