"""Paths in a configuration, so that it can be run again from any working directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring import data as datasets
from sparring import nets
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.slots import split

PLACES = ("student", "teacher", "data_root")  # keys whose value may be a path, or hold one


def anchored(config: Config) -> Config:
    """`config` with every path to something that exists made absolute; names and everything else as they are."""
    changes: dict[str, Any] = {key: absolute(value) for key in PLACES if (value := getattr(config, key))}
    changes["method"] = imported(config.method)
    if config.cache not in (None, "auto"):
        changes["cache"] = str(Path(config.cache).expanduser().resolve())
    if config.data not in datasets.names():
        changes["data"] = absolute(config.data)
    changes |= {slot: inside(getattr(config, slot)) for slot in SLOTS}
    return config.model_copy(update=changes)


def inside(options: Mapping[str, Any]) -> dict[str, Any]:
    """A slot's options, and those of its links, with every path in them made absolute."""
    anchored = dict(options)
    for key, value in options.items():
        if isinstance(value, Mapping):
            anchored[key] = inside(value)
        elif key in INSIDE and isinstance(value, str):
            anchored[key] = INSIDE[key](value)
    return anchored


def absolute(spec: str) -> str:
    """A path, `FILE.py:NAME`, `hf:FOLDER`, `diffusers:FOLDER`, `NAME@FILE`, `EXIT:` before one, or an ensemble of
    such, with every path in it made absolute."""
    if (path := Path(spec).expanduser()).exists():
        return str(path.resolve())
    if (team := nets.team(spec)) is not None:
        return nets.joined([absolute(member) for member in team[0]], team[1])
    if (asked := nets.exit_asked(spec)) is not None:
        return f"{asked[0]}:{absolute(asked[1])}"
    head, at, weights = spec.partition("@")
    if at:
        return f"{absolute(head)}@{absolute(weights)}"
    for library in ("hf:", "diffusers:"):
        if spec.startswith(library):
            return library + absolute(spec.removeprefix(library))
    return imported(spec)


def imported(spec: str) -> str:
    """`FILE.py:NAME` with its path made absolute; a name stays one, whatever folder is called so."""
    file, _, name = spec.rpartition(":")
    path = Path(file).expanduser()
    return f"{path.resolve()}:{name}" if file.endswith(".py") and path.is_file() else spec


INSIDE = {
    "name": lambda name: "+".join(map(imported, split(name))),
    "augmentor": imported,
    "hint": imported,
    "vae": absolute,
}  # options of what fills a slot that may be a path, or hold one
