"""Networks from a Python file of the user's: path/to/file.py:callable."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from sparring.core import UserError, did_you_mean


def user_body(file: Path, name: str, classes: int, options: Mapping[str, Any]) -> nn.Module:
    """What the class or function `name` of `file` makes; given the classes if it takes num_classes= or classes=."""
    if not file.is_file():
        raise UserError(f"the Python file {file} does not exist; give path/to/file.py:callable")
    with _importing_from(file.parent):
        found = _callable(_run(file), file, name)
        try:
            made = found if isinstance(found, nn.Module) else found(**_arguments(found, classes), **options)
        except Exception as wrong:
            raise UserError(
                f"{file}:{name} raised {type(wrong).__name__}: {wrong}; it is called with num_classes= or classes= "
                "where it takes one, and else with nothing"
            ) from wrong
    if not isinstance(made, nn.Module):
        raise UserError(f"{file}:{name} returned {type(made).__name__}; it must return a torch.nn.Module")
    return made


def _run(file: Path) -> ModuleType:
    """The module in `file`, under a name of its own: two files called net.py are two modules."""
    mark = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"sparring_user_{file.stem}_{mark}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file} is not a Python file; give path/to/file.py:callable")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as wrong:
        del sys.modules[spec.name]
        raise UserError(f"{file} could not be run: {type(wrong).__name__}: {wrong}; mend the file") from wrong
    return module


def _callable(module: ModuleType, file: Path, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if callable(found):
        return found
    own = [k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == module.__name__]
    raise UserError(f"{file} has no callable {name!r}. {did_you_mean(name, own) if own else 'It defines none.'}")


def _arguments(found: Callable[..., Any], classes: int) -> dict[str, int]:
    try:
        taken = inspect.signature(found).parameters
    except (TypeError, ValueError):  # builtins have no signature to read
        return {}
    return next(({name: classes} for name in ("num_classes", "classes") if name in taken), {})


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours."""
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))
