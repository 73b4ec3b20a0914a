"""A look at every picture's header, before training, for sets too large to decode beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from PIL import Image

from sparring.core import UserError
from sparring.data.decode import Encoded, Form, opened

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_CHUNK = 2000
_HEAD = 1 << 16  # bytes that hold nearly every header


def survey(sources: Mapping[str, Encoded], form: Form) -> dict[str, int]:
    """{"channels": 1 or 3} for pictures whose headers all read and fit `form`.

    Raises UserError for the first that does not. Reads headers only: damage further on shows when it is decoded.
    """
    coloured = False
    for source in sources.values():
        spans = (range(at, min(at + _CHUNK, len(source))) for at in range(0, len(source), _CHUNK))
        with ThreadPoolExecutor(4) as pool:
            coloured = any(list(pool.map(partial(_look, source, form), spans))) or coloured
    return {"channels": 3 if coloured else 1}


def _look(source: Encoded, form: Form, span: range) -> bool:
    """Whether any picture of `span` has colour."""
    coloured = False
    for row in span:
        picture = _header(source, row)
        width, height = picture.size
        if picture.getexif().get(0x0112) in _SIDEWAYS:
            width, height = height, width
        if not form.resize and (height, width) != form.shape[1:]:
            raise UserError(
                f"Images differ in size: {source.where(row)} is {width}x{height} but {form.like} is "
                f"{form.shape[2]}x{form.shape[1]}. Pass size= to bring all of them to one size."
            )
        coloured = coloured or picture.mode not in ("1", "L", "LA")
    return coloured


def _header(source: Encoded, row: int) -> Image.Image:
    try:
        return opened(source.read(row, _HEAD), source.where(row))
    except UserError:  # some formats keep their header at the end, or want the whole file
        return opened(source.read(row), source.where(row))
