"""The dotted keys of nested values, and those keys of a configuration that compute nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WHERE = frozenset({"device", "threads", "workers", "track", "data_root", "compile", "cache"})
"""Keys that say where and how watched, not what is computed: a resumed run may change them."""

LEAVES = frozenset({"gradients"})
"""Keys that say what a run leaves beside its results, not what it computes: runs that differ in nothing else are each
other's repetition. A resumed run must keep them, for what it did not write down in time is gone."""


def flat(values: Mapping[str, Any], *, between: str = ".", prefix: str = "") -> dict[str, Any]:
    """Nested values under the names of their ways joined: `{"optim": {"lr": 1}}` as `{"optim.lr": 1}`."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        inside = isinstance(value, Mapping)
        result |= flat(value, between=between, prefix=name + between) if inside else {name: value}
    return result


def joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with others laid over them: where both have a mapping, its keys join too."""
    result = dict(old)
    for key, value in new.items():
        was = result.get(key)
        result[key] = joined(was, value) if isinstance(was, Mapping) and isinstance(value, Mapping) else value
    return result


def number(text: str) -> float | None:
    """A number, also one written as one over another, as pixels are (8/255); None for any other text."""
    digits = r"\d+\.?\d*(?:e-?\d+)?|\.\d+"
    found = re.fullmatch(rf"({digits})(?:\s*/\s*({digits}))?", text.strip())
    below = float(found[2] or 1) if found else 0.0
    return float(found[1]) / below if found and below else None


def in_pixels(option: Any) -> Any:
    """An option, or several, in which 8/255 stands for that number, as one says how far pixels move."""
    if isinstance(option, Mapping):
        return {key: in_pixels(value) for key, value in option.items()}
    found = number(option) if isinstance(option, str) and "/" in option else None
    return option if found is None else found
