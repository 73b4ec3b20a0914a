"""Data sets that exist as Python objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import TensorDataset

from sparring.core import UserError
from sparring.data.cache import cache_dir, digest
from sparring.data.dataset import Data, build
from sparring.data.decode import eight_bits
from sparring.data.found import Found, Split, numbered
from sparring.data.resize import resized
from sparring.errors import first_line

_CHANNELS = (1, 3, 4)  # numbers of channels that images commonly have; 4 is with transparency


def wrap(
    dataset: Any,
    *,
    test: Any = None,
    name: str = "wrapped",
    class_names: Sequence[str] | None = None,
    val: float = 0.1,
    size: int | None = None,
    carve_test: float = 0.1,
    cache: str | Path | None = None,
) -> Data:
    """Make any map-style dataset of (image, label) pairs, or a (train, test) tuple of two, into `Data`.

    An image is a PIL image, a uint8 array (H, W) or (H, W, C), a uint8 tensor (C, H, W) or a float tensor (C, H, W)
    in [0, 1], which is kept in 8 bits; a label is a whole number from 0. Every item is asked for once, so random
    transforms would be frozen: leave them out and choose `augment` instead. class_names: else the dataset's own
    `classes`, else "0", "1", …; carve_test: the part held out for testing where there is no test set, as for folders;
    other keywords as in `load`. Raises UserError naming the item that is none of these, has NaN or pixels out of
    range, or differs from item 0 in size.
    """
    if isinstance(dataset, tuple) and len(dataset) == 2:
        dataset, test = dataset
    splits = {"train": _split(dataset, "train", size)}
    if test is not None:
        splits["test"] = _split(test, "test", size)
        shapes = [splits[split].pictures.shape[1:] for split in ("train", "test")]  # pyright: ignore
        if shapes[0] != shapes[1]:
            raise UserError(
                f"Training images are {shapes[0]} (channels, height, width) but test images {shapes[1]}: "
                "make them alike, or pass size= where only height and width differ."
            )
    given = class_names or getattr(dataset, "classes", None)
    classes = tuple(map(str, given)) if given else numbered(splits, name)
    key = digest(*(part for split in splits.values() for part in (split.pictures, split.labels)), classes)
    found = Found(name, classes, splits, key, carve_test=carve_test)
    return build(found, val=val, size=size, cache=cache_dir(cache))


def _split(dataset: Any, split: str, size: int | None) -> Split:
    """All items of `dataset`, (N, C, H, W) uint8 beside (N,) int64."""
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise UserError(
            f"The {split} dataset ({type(dataset).__name__}) does not give (image, label) pairs by number: "
            "pass a map-style Dataset, one with __len__ and __getitem__."
        )
    if len(dataset) == 0:
        raise UserError(f"The {split} dataset is empty: give one with images.")
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) == 2 and dataset.tensors[0].ndim == 4:
        return _tensors(*dataset.tensors, split)
    items = ((f"item {row} of the {split} dataset", _item(dataset, row, split)) for row in range(len(dataset)))
    rows = [(_pixels(image, where, size), _label(label, where)) for where, (image, label) in items]
    channels = max(pixels.shape[0] for pixels, _ in rows)
    first = rows[0][0].shape[1:]
    for row, (pixels, _) in enumerate(rows):
        if pixels.shape[1:] != first:
            raise UserError(
                f"Images differ in size: item {row} of the {split} dataset is {pixels.shape[2]}x{pixels.shape[1]} but "
                f"item 0 is {first[1]}x{first[0]}. Pass size= to bring all of them to one size."
            )
    images = np.empty((len(rows), channels, *first), dtype=np.uint8)
    for place, (pixels, _) in zip(images, rows, strict=True):
        place[:] = pixels  # grey among colour spreads over the channels
    return Split(images, np.array([label for _, label in rows], np.int64))


def _item(dataset: Any, row: int, split: str) -> tuple[Any, Any]:
    """The (image, label) pair that is item `row`. Raises UserError where it is none, or the dataset fails on it."""
    try:
        item = dataset[row]
    except Exception as error:
        raise UserError(
            f"Item {row} of the {split} dataset ({type(dataset).__name__}) could not be had: it raised "
            f"{type(error).__name__}: {first_line(error)}. Mend the dataset, or leave that item out."
        ) from error
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    held, advice = type(item).__name__, "let it return (image, label)"
    if isinstance(item, Mapping):
        held += f" with the keys {', '.join(map(str, item))}"
    elif isinstance(item, tuple | list):
        held += f" of {len(item)}"
    elif isinstance(item, Tensor | np.ndarray):
        advice += "; torch.utils.data.TensorDataset(x, y) makes such pairs of two tensors"
    raise UserError(f"Item {row} of the {split} dataset is a {held}, not a pair: {advice}.")


def _tensors(x: Tensor, y: Tensor, split: str) -> Split:
    if y.ndim != 1 or y.is_floating_point() or y.dtype == torch.bool:
        raise UserError(f"The {split} labels are {y.dtype} of shape {tuple(y.shape)}: give (N,) whole numbers from 0.")
    _channels_first(x[0], f"item 0 of the {split} dataset")
    if x.is_floating_point():
        bad = ~((x >= 0) & (x <= 1)).flatten(1).all(1)
        if bad.any():
            row = int(bad.nonzero()[0, 0])
            _pixels(x[row], f"item {row} of the {split} dataset", None)
        x = (x * 255).round().to(torch.uint8)
    if x.dtype != torch.uint8:
        raise UserError(f"The {split} images are {x.dtype}: give uint8, or float in [0, 1].")
    return Split(x.cpu().numpy(), y.cpu().numpy().astype(np.int64))


def _label(label: Any, where: str) -> int:
    value = label.item() if isinstance(label, Tensor | np.generic) and label.ndim == 0 else label
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"The label of {where} is {label!r}: give a whole number from 0.")
    return value


def _pixels(image: Any, where: str, size: int | None) -> np.ndarray:
    """One image of any of the kinds as (C, H, W) uint8, C = 1 or 3, of the size that is asked for."""
    if isinstance(image, Image.Image):
        image = np.asarray(eight_bits(image, where))
    if isinstance(image, Tensor) and image.ndim == 3:
        _channels_first(image, where)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        pixels = np.atleast_3d(image).transpose(2, 0, 1)
    elif isinstance(image, Tensor) and image.ndim == 3 and image.dtype == torch.uint8:
        pixels = image.cpu().numpy()
    elif isinstance(image, Tensor) and image.ndim == 3 and image.is_floating_point():
        pixels = _from_float(image, where)
    else:
        kind = f"{image.dtype} of shape {tuple(image.shape)}" if hasattr(image, "dtype") else type(image).__name__
        raise UserError(
            f"The image of {where} is {kind}: give a PIL image, a uint8 array (H, W, C), or a float tensor (C, H, W) "
            "in [0, 1]."
        )
    if isinstance(image, np.ndarray) and pixels.shape[0] not in _CHANNELS and pixels.shape[1] in _CHANNELS:
        raise UserError(
            f"The image of {where} is an array of shape {image.shape}, which looks like (channels, height, width): "
            "arrays are (height, width, channels); give torch.from_numpy(image), or image.transpose(1, 2, 0)."
        )
    if pixels.shape[0] not in (1, 3):
        raise UserError(f"The image of {where} has {pixels.shape[0]} channels: give 1 (grey) or 3 (red, green, blue).")
    return resized(pixels[None], size)[0]


def _channels_first(image: Tensor, where: str) -> None:
    """Refuse a tensor (H, W, C): as (C, H, W) it would be a strip of `H` channels."""
    if image.shape[0] not in _CHANNELS and image.shape[-1] in _CHANNELS:
        raise UserError(
            f"The image of {where} is a tensor of shape {tuple(image.shape)}, which looks like (height, width, "
            "channels): tensors are (channels, height, width), as image.permute(2, 0, 1) makes them."
        )


def _from_float(image: Tensor, where: str) -> np.ndarray:
    low, high = image.min().item(), image.max().item()
    if not (low >= 0 and high <= 1):
        given = "NaN pixels" if low != low or high != high else f"pixels from {low:.4g} to {high:.4g}"
        raise UserError(
            f"The image of {where} has {given}, but pixels must lie in [0, 1]: leave normalisation to the network."
        )
    return (image.detach().cpu() * 255).round().to(torch.uint8).numpy()
