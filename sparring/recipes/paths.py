"""Paths in a configuration, so that it can be run again from any working directory."""

from __future__ import annotations

from pathlib import Path

from sparring import data as datasets
from sparring.recipes.config import SLOTS, Config

NAMED = ("student", "teacher", "method", "data_root")  # keys whose value may hold a path


def anchored(config: Config) -> Config:
    """`config` with every path to something that exists made absolute; names and everything else as they are."""
    changes = {key: absolute(value) for key in NAMED if (value := getattr(config, key))}
    if config.data not in datasets.names():
        changes["data"] = absolute(config.data)
    for slot in SLOTS:
        if name := getattr(config, slot).get("name"):
            changes[slot] = getattr(config, slot) | {"name": absolute(name)}
    return config.model_copy(update=changes)


def absolute(spec: str) -> str:
    """A path, `FILE.py:NAME`, `hf:FOLDER` or `NAME@FILE` with its paths made absolute where they lead somewhere."""
    if (path := Path(spec).expanduser()).exists():
        return str(path.resolve())
    head, at, weights = spec.partition("@")
    if at:
        return f"{absolute(head)}@{absolute(weights)}"
    left, colon, right = spec.rpartition(":")
    if left.endswith(".py") and Path(left).expanduser().is_file():
        return f"{absolute(left)}:{right}"
    return f"{left}:{absolute(right)}" if colon and left == "hf" else spec
