"""Corrupted test images as they are published: arrays by corruption (MNIST-C), or by corruption for five severities
end to end (CIFAR-10-C and its kin)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sparring.core import UserError
from sparring.data.dataset import Data
from sparring.data.images import Resident

_IMAGES, _LABELS = "test_images.npy", "test_labels.npy"
_ALL_LABELS = "labels.npy"
CLEAN = ("identity",)  # how MNIST-C calls the untouched images


def stored_names(folder: Path) -> dict[str, tuple[int, ...]]:
    """The corruptions that `folder` holds, each with its severities: (0,) where only one is published (MNIST-C), else
    1 … 5. Raises UserError where it holds none."""
    if not folder.is_dir():
        raise UserError(f"{folder} {'is a file' if folder.exists() else 'does not exist'}: give a folder of arrays.")
    single = sorted(path.parent.name for path in folder.glob(f"*/{_IMAGES}") if path.parent.name not in CLEAN)
    if single:
        return dict.fromkeys(single, (0,))
    fives = sorted(path.stem for path in folder.glob("*.npy") if path.name != _ALL_LABELS)
    if not fives or not (folder / _ALL_LABELS).is_file():
        raise UserError(
            f"{folder} holds no corrupted images: expected CORRUPTION/{_IMAGES} and {_LABELS} (as MNIST-C), or "
            f"CORRUPTION.npy and {_ALL_LABELS} (as CIFAR-10-C)."
        )
    return dict.fromkeys(fives, (1, 2, 3, 4, 5))


def stored(folder: Path, name: str, wanted: tuple[int, ...], data: Data) -> Iterator[tuple[int, Resident]]:
    """The images of one corruption in `folder` at each of the `wanted` severities, one after the other.

    Raises UserError where they are not of the shape or the classes of `data`.
    """
    if wanted == (0,):
        images, labels = _array(folder / name / _IMAGES), _array(folder / name / _LABELS)
        yield 0, _part(images, labels, folder / name / _IMAGES, data)
        return
    images, labels = _array(folder / f"{name}.npy"), _array(folder / _ALL_LABELS)
    if len(images) % 5:
        raise UserError(f"{folder / name}.npy holds {len(images)} images, which are not five severities of as many.")
    each = len(images) // 5
    if len(labels) == each:  # the labels of one severity serve all
        labels = np.tile(labels, 5)
    for severity in wanted:
        here = slice((severity - 1) * each, severity * each)
        if len(labels) != len(images):
            raise UserError(
                f"{folder / _ALL_LABELS} holds {len(labels)} labels for the {len(images)} images of {name}."
            )
        yield severity, _part(images[here], labels[here], folder / f"{name}.npy", data)


def _array(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"Cannot read {file} ({str(error)[:100]}): fetch it again.") from None


def _part(images: np.ndarray, labels: np.ndarray, file: Path, data: Data) -> Resident:
    """uint8 (N, H, W, C) or (N, H, W) beside labels (N,), as images of `data`."""
    channels, height, width = data.shape
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.shape[1:] != (height, width, channels):
        raise UserError(
            f"{file} holds {images.dtype} of shape {images.shape}, but the student's images are uint8 of shape "
            f"(N, {height}, {width}, {channels}): give the corrupted images of {data.name}."
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise UserError(f"{file} holds {len(images)} images beside labels of shape {labels.shape}: one each is needed.")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= data.classes:
        raise UserError(f"The labels of {file} are not within the {data.classes} classes of {data.name}.")
    x = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))
    return Resident(x, torch.from_numpy(labels.astype(np.int64)), torch.arange(len(labels)))
