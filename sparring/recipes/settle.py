"""From what a user hands over to one configuration: names and values into it, objects beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring import data as datasets
from sparring import nets
from sparring.errors import UserError
from sparring.recipes import config as schema
from sparring.recipes.build import Given
from sparring.recipes.config import Config


def settled(config: Config | str | Path | None, **values: Any) -> tuple[Config, Given]:
    """One configuration from what was named, over `config`; and whatever was handed over as an object."""
    if not isinstance(values.get("method"), str | None):
        given = type(values["method"]).__name__
        raise UserError(f"method is a {given} object; give its name, such as 'da' or 'my_method.py:mine'")
    several = values.get("teacher")
    if isinstance(several, list | tuple) and several and not any(is_object(one) for one in several):
        values["teacher"] = nets.joined([str(one) for one in several], "logits")
    objects = {key: values.pop(key) for key in ("teacher", "student", "data") if is_object(values.get(key))}
    named = {
        key: str(value) if isinstance(value, Path) else value for key, value in values.items() if value is not None
    }
    start = schema.read(config) if isinstance(config, str | Path) else config
    return laid_over(start or Config(), named), Given(**objects)


def laid_over(base: Config, told: Mapping[str, Any]) -> Config:
    """`base` with what a user tells.

    Raises UserError for data told by a name that may mean two things (in `base` a name is a known set's, for folders
    are written down by their paths), and as `config.merged`.
    """
    chosen = schema.merged(base, told)
    if "data" in told:
        datasets.refuse_two_meanings(chosen.data, chosen.data_root)
    return chosen


def is_object(value: Any) -> bool:
    """Whether a network or data set was handed over itself, and not by name or path."""
    return value is not None and not isinstance(value, str | Path)
