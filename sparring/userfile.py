"""Things out of a Python file of the user's: path/to/file.py:name."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from sparring.errors import UserError, did_you_mean

PREFIX = "sparring_user_"  # begins the names of the modules that users' files are


def named(file: Path, name: str) -> Any:
    """What `name` is in `file`, which is run anew; it may import its neighbours. Raises UserError where it fails."""
    if not file.is_file():
        raise UserError(f"the Python file {file} does not exist; give path/to/file.py:name")
    with neighbours(file):
        module = _run(file)
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if _is_own(module, key, value)]
        raise UserError(f"{file} has no {name!r}. {did_you_mean(name, own) if own else 'It defines nothing.'}")
    return getattr(module, name)


def imported(spec: str) -> Any:
    """The object that path/to/file.py:name names. Raises UserError where file or name is missing, or the file fails."""
    file, _, name = spec.rpartition(":")
    return named(Path(file).expanduser(), name)


@contextmanager
def neighbours(file: Path) -> Iterator[None]:
    """While the block lasts, the files beside `file` can be imported."""
    folder = str(file.parent.resolve())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _run(file: Path) -> ModuleType:
    """The module in `file`, under a name of its own: two files called net.py are two modules."""
    mark = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"{PREFIX}{file.stem}_{mark}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file} is not a Python file; give path/to/file.py:name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and pickle look a class's module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as wrong:
        del sys.modules[spec.name]
        raise UserError(f"{file} could not be run: {type(wrong).__name__}: {wrong}; mend the file") from wrong
    return module


def _is_own(module: ModuleType, name: str, value: Any) -> bool:
    """Whether a name of `module` was made there, and not imported."""
    elsewhere = isinstance(value, type | FunctionType) and value.__module__ != module.__name__
    return not (name.startswith("_") or elsewhere or isinstance(value, ModuleType) or name == "annotations")


def users_file(kind: type) -> Path | None:
    """The user's file that a class is written in, or None where it is of no such file."""
    return Path(str(sys.modules[kind.__module__].__file__)) if kind.__module__.startswith(PREFIX) else None
