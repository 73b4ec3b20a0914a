"""Encoded pictures (PNG, JPEG, WebP, …) to uint8 arrays, all of one form or refused in a sentence."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps

from sparring.core import UserError

_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
_CHUNK = 500


class Encoded(Protocol):
    """Pictures as the bytes of image files; small to send to another process."""

    def __len__(self) -> int: ...

    def read(self, row: int, most: int = -1) -> bytes:
        """The file of picture `row`, or only its first `most` bytes."""
        ...

    def where(self, row: int) -> str:
        """How an error names picture `row`."""
        ...


@dataclass(frozen=True, slots=True)
class Form:
    """What every picture of a set must decode to.

    shape: (C, H, W), C = 1 or 3; resize: bring pictures to H × W first (shorter side, then centre crop) instead of
    refusing those of another size; like: the picture whose size it is, for the error.
    """

    shape: tuple[int, int, int]
    resize: bool = False
    like: str = "the first image"


def decode(data: bytes, where: str, form: Form) -> np.ndarray:
    """One picture as (C, H, W) uint8 in `form`. Raises UserError where it is unreadable or of another size."""
    array = upright(data, where, form)
    if array.ndim == 2:
        return np.broadcast_to(array, form.shape)
    if form.shape[0] == 1:
        raise UserError(f"{where} is a colour image among grey ones: convert all to the same mode.")
    return array.transpose(2, 0, 1)


def upright(data: bytes, where: str, form: Form | None = None) -> np.ndarray:
    """One picture, turned as its EXIF says, as (H, W) or (H, W, 3) uint8; of the size of `form`, where it is given."""
    picture = opened(data, where)
    stored_as = picture.format
    try:
        if picture.info.get("exif") or stored_as in ("TIFF", "MPO"):
            picture = ImageOps.exif_transpose(picture)
        picture = eight_bits(picture, where)
    except UserError:
        raise
    except Exception as error:  # Pillow's plugins raise many kinds on damaged data
        raise unreadable(where, error) from None
    array = fitted(picture, where, form) if form else np.asarray(picture)
    return (
        array[..., 0] if stored_as == "WEBP" and array.ndim == 3 and _is_grey(array) else array
    )  # WebP has no grey of its own


def _is_grey(array: np.ndarray) -> bool:
    return bool((array[..., :1] == array).all())


def opened(data: bytes, where: str) -> Image.Image:
    """The picture with only its header read."""
    try:
        if not data:
            raise ValueError("it is empty")
        return Image.open(io.BytesIO(data))
    except Exception as error:
        raise unreadable(where, error) from None


def unreadable(where: str, error: Exception) -> UserError:
    """The error for a picture that cannot be decoded."""
    reason = "not an image file" if "cannot identify" in str(error) else str(error) or type(error).__name__
    return UserError(f"Cannot read the image {where} ({reason}): replace it or take it out.")


def eight_bits(picture: Image.Image, where: str) -> Image.Image:
    """Any 8-bit picture as "L" or "RGB"; transparency is dropped, as torchvision does. Refuses deeper pixels."""
    if picture.mode in ("L", "RGB"):
        picture.load()
        return picture
    if picture.mode == "P" and isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")  # straight to RGB, Pillow warns
    if picture.mode in _GREY or picture.mode in _COLOUR:
        return picture.convert("L" if picture.mode in _GREY else "RGB")
    raise UserError(f"{where} has pixels of mode {picture.mode} (16 or 32 bits): convert it to 8 bits per channel.")


def fitted(picture: Image.Image, where: str, form: Form) -> np.ndarray:
    """The picture as an array of the size of `form`, resized only where `form` says so."""
    height, width = form.shape[1:]
    if (picture.height, picture.width) != (height, width):
        if not form.resize:
            raise UserError(
                f"Images differ in size: {where} is {picture.width}x{picture.height} but {form.like} is "
                f"{width}x{height}. Pass size= to bring all of them to one size."
            )
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def decode_all(source: Encoded, form: Form) -> np.ndarray:
    """Every picture as one (N, C, H, W) uint8 array, C = 1 where all are grey; `form` gives only the size.

    Uses two processes for large sets. Raises UserError for the first picture that is unreadable or of another size.
    """
    spans = [range(at, min(at + _CHUNK, len(source))) for at in range(0, len(source), _CHUNK)]
    if len(spans) < 8 or "fork" not in get_all_start_methods() or (os.cpu_count() or 1) < 2:
        return _joined([_decode_span(_chunk(source, span), form) for span in spans])
    try:
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
            return _joined(_in_order(pool, source, spans, form))
    except BrokenProcessPool:
        raise UserError(
            "A process that decodes the images was killed, as happens where memory runs out: free some, or pass a "
            "smaller size=."
        ) from None


def _in_order(pool: Executor, source: Encoded, spans: Sequence[range], form: Form) -> list[np.ndarray]:
    done: list[np.ndarray] = []
    for at in range(0, len(spans), 16):  # a few at a time: the encoded bytes of all need not wait in pipes
        waiting = [pool.submit(_decode_span, _chunk(source, span), form) for span in spans[at : at + 16]]
        done += [future.result() for future in waiting]
    return done


def _chunk(source: Encoded, span: range) -> list[tuple[bytes, str]]:
    return [(source.read(row), source.where(row)) for row in span]


def _decode_span(pictures: list[tuple[bytes, str]], form: Form) -> np.ndarray:
    arrays = [upright(data, where, form) for data, where in pictures]
    if all(array.ndim == 2 for array in arrays):
        return np.stack(arrays)[:, None]
    wide = (3, *form.shape[1:])
    return np.stack([np.broadcast_to(a, wide) if a.ndim == 2 else a.transpose(2, 0, 1) for a in arrays])


def _joined(chunks: list[np.ndarray]) -> np.ndarray:
    channels = max(chunk.shape[1] for chunk in chunks)
    out = np.empty((sum(map(len, chunks)), channels, *chunks[0].shape[2:]), dtype=np.uint8)
    at = 0
    for chunk in chunks:
        out[at : at + len(chunk)] = chunk  # a grey chunk spreads over the channels
        at += len(chunk)
    return out
