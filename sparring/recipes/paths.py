"""Paths in a configuration, so that it can be run again from any working directory."""

from __future__ import annotations

from pathlib import Path

from sparring import data as datasets
from sparring.recipes.config import SLOTS, Config

PLACES = ("student", "teacher", "data_root")  # keys whose value may be a path, or hold one


def anchored(config: Config) -> Config:
    """`config` with every path to something that exists made absolute; names and everything else as they are."""
    changes = {key: absolute(value) for key in PLACES if (value := getattr(config, key))}
    changes["method"] = imported(config.method)
    if config.data not in datasets.names():
        changes["data"] = absolute(config.data)
    for slot in SLOTS:
        if name := getattr(config, slot).get("name"):
            changes[slot] = getattr(config, slot) | {"name": imported(name)}
    return config.model_copy(update=changes)


def absolute(spec: str) -> str:
    """A path, `FILE.py:NAME`, `hf:FOLDER` or `NAME@FILE` with its paths made absolute where they lead somewhere."""
    if (path := Path(spec).expanduser()).exists():
        return str(path.resolve())
    head, at, weights = spec.partition("@")
    if at:
        return f"{absolute(head)}@{absolute(weights)}"
    if spec.startswith("hf:"):
        return f"hf:{absolute(spec.removeprefix('hf:'))}"
    return imported(spec)


def imported(spec: str) -> str:
    """`FILE.py:NAME` with its path made absolute; a name stays one, whatever folder is called so."""
    file, _, name = spec.rpartition(":")
    path = Path(file).expanduser()
    return f"{path.resolve()}:{name}" if file.endswith(".py") and path.is_file() else spec
