"""The JSON files in a run's folder that hold what was measured of its student, several measurements in each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.files import locked, write_json
from sparring.report.reading import read


def put(file: Path, key: str, entry: Mapping[str, Any]) -> None:
    """Put a measurement into a JSON file of several, beside what is there and what other processes put there."""
    with locked(file.parent):
        write_json(file, {**entries(file), key: entry})


def entries(file: Path) -> dict[str, Any]:
    """What a JSON file of measurements holds; {} where there is none yet. Raises UserError where it is damaged, rather
    than to begin it anew over what it holds."""
    found, odd = read(file)
    if odd and file.read_text(encoding="utf-8", errors="replace").strip() != "{}":
        why = f"{'.'.join(odd[0].way)}: " * bool(odd[0].way) + odd[0].why
        raise UserError(f"{file} cannot be read, and measurements may be in it ({why}): restore it, or move it away")
    return found
