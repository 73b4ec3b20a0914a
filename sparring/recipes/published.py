"""Published rows by name."""

from __future__ import annotations

from collections.abc import Mapping


def names() -> Mapping[str, str]:
    """Every recipe and a line about it."""
    return {"da-table1": "Disagreement Augmentation, Table I"}
