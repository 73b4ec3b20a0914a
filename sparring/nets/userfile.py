"""Networks from a Python file of the user's: path/to/file.py:callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sparring.core import UserError
from sparring.userfile import named, neighbours


def user_body(file: Path, name: str, classes: int, options: Mapping[str, Any]) -> nn.Module:
    """What the class or function `name` of `file` makes; given the classes if it takes num_classes= or classes=."""
    found = named(file, name)
    if not callable(found):
        raise UserError(f"{file}:{name} is {type(found).__name__}; give a class or function that makes a network")
    with neighbours(file):
        try:
            made = found if isinstance(found, nn.Module) else found(**_arguments(found, classes), **options)
        except (Exception, SystemExit) as wrong:
            raise UserError(
                f"{file}:{name} raised {type(wrong).__name__}: {wrong}; it is called with num_classes= or classes= "
                "where it takes one, and else with nothing"
            ) from wrong
    if not isinstance(made, nn.Module):
        raise UserError(f"{file}:{name} returned {type(made).__name__}; it must return a torch.nn.Module")
    return made


def calling(file: Path, name: str, classes: int, options: Mapping[str, Any]) -> str:
    """How a Python file that imports `name` from `file` makes the network: "tiny(num_classes=10)"."""
    found = named(file, name)
    given = {} if isinstance(found, nn.Module) else {**_arguments(found, classes), **options}
    call = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return name if isinstance(found, nn.Module) else f"{name}({call})"


def _arguments(found: Callable[..., Any], classes: int) -> dict[str, int]:
    try:
        taken = inspect.signature(found).parameters
    except (TypeError, ValueError):  # builtins have no signature to read
        return {}
    return next(({name: classes} for name in ("num_classes", "classes") if name in taken), {})
