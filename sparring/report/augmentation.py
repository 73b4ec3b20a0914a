"""By which augmentation a run was trained: its name, also where its configuration says "default"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparring.report.ledger import Run

DEFAULT = "default"
PLAIN = ("digits", "mnist1d", "mnist", "fashion-mnist")  # the known data sets whose images were left as they are


def augmentation(run: Run) -> str | None:
    """What augmented a run's training images; "default" where it was that and nobody knows what it meant."""
    asked = run.config.get("augment")
    if asked != DEFAULT:
        return None if asked is None else str(asked)
    fed = run.result.get("preprocessing")
    shape = fed.get("shape") if isinstance(fed, Mapping) else None
    return str(run.manifest.get("augment") or before(run.data, shape))


def before(data: str, shape: Any) -> str:
    """What "default" meant in runs that did not write it down, up to November 2026, for images of (C, H, W)."""
    if data in PLAIN:
        return "none"
    if not (isinstance(shape, Sequence) and len(shape) == 3 and all(isinstance(side, int) for side in shape)):
        return DEFAULT
    side = min(shape[1:])
    return "none" if side == 1 else "crop+flip" if side <= 64 else "resized-crop+flip"
