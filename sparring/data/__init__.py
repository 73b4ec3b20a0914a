"""Data sets to batches on the device: found by name or path, checked, split by fixed rows, augmented in batches."""

from sparring.data.augment import names as augmentations
from sparring.data.dataset import Data
from sparring.data.images import Images, Resident, Streamed, some
from sparring.data.load import load, names, refuse_two_meanings
from sparring.data.omitted import only, without
from sparring.data.stream import Stream, batches, picked, stream
from sparring.data.wrap import wrap

__all__ = [
    "Data",
    "Images",
    "Resident",
    "Stream",
    "Streamed",
    "augmentations",
    "batches",
    "load",
    "names",
    "only",
    "picked",
    "refuse_two_meanings",
    "some",
    "stream",
    "without",
    "wrap",
]
