"""How the report reads files: what does not fit its form (`forms`) is left out, and that is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sparring.files import numbered
from sparring.report.forms import FORMS, LINE, LINES

Way = tuple[str, ...]
BELONGS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
SHOWN = 3  # what is left out of a file beyond so many is counted


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that is left out of what a file says.

    way: the keys that lead to it, none where it is all; at: what in it is odd ("clean"; "" where it is itself).
    what: what is wrong with that, as a predicate.
    """

    way: Way
    at: str
    what: str

    @property
    def why(self) -> str:
        """What is wrong, as a clause."""
        return f"{f'its {self.at}' if self.at else 'it'} {self.what}"


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is there: ten times as fast


def read(file: Path, form: TypeAdapter[Any] | None = None) -> tuple[dict[str, Any], list[Odd]]:
    """What a JSON or YAML file of a run says that fits its form, {} where there is none; and what does not."""
    if not file.exists():
        return {}, []
    try:
        text = file.read_text(encoding="utf-8")
        told = _plain(yaml.load(text, LOADER) if file.suffix == ".yaml" else json.loads(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}, [Odd((), "", "is damaged")]
    if told in ({}, None):
        return {}, [Odd((), "", "is empty")]
    return fitting(told, form or FORMS[file.name])


def read_lines(file: Path) -> tuple[list[dict[str, Any]], list[Odd]]:
    """The lines of a metrics.jsonl as far as they fit their forms, in order; and what does not."""
    found: list[dict[str, Any]] = []
    odd: list[Odd] = []
    for number, line in numbered(file):
        kind = line.get("kind") if isinstance(line, dict) else None
        told, left = fitting(_plain(line), LINES.get(kind, LINE) if isinstance(kind, str) else LINE)
        found += [told] if told else []
        odd += [Odd((f"line {number}", *each.way), each.at, each.what) for each in left]
    return found, odd


def fitting(told: Any, form: TypeAdapter[Any]) -> tuple[dict[str, Any], list[Odd]]:
    """What was told without what does not fit, {} where nothing is left; and what that was.

    The smallest thing that can be missing is left out: a key that need not be there, or the object that is nothing
    without it. What is odd in a list takes the list with it, of which nobody could say what it is without.
    """
    odd: dict[Way, Odd] = {}
    while True:
        try:
            form.validate_python(told)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                found = _odd(each, odd)
                if any(found.way[:length] in odd for length in range(len(found.way) + 1)):
                    continue  # it lies in something that is left out already
                odd = {way: other for way, other in odd.items() if way[: len(found.way)] != found.way}
                odd[found.way] = found
                if not found.way:
                    return {}, [found]
                _remove(told, found.way)
        else:
            return told, list(odd.values())


def sentence(file: Path, odd: Sequence[Odd], held: str = "what it told is", remedy: str = "") -> str:
    """What of a file is left out and why, in one sentence. held: what it holds; remedy: how that is had again."""
    if not odd[0].way:
        return f"{file} cannot be read, so {held} missing here ({odd[0].why}){f': {remedy}' if remedy else ''}."
    told = ", ".join(f"{'.'.join(each.way)} ({each.why})" for each in odd[:SHOWN])
    more = f", and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
    return f"{file} is read without {told}{more}{f'; {remedy}' if remedy else ''}."


def _odd(error: ErrorDetails, before: Mapping[Way, Odd]) -> Odd:
    """What must be left out for an error, given what was already."""
    place = error["loc"]
    inside = next((at for at, key in enumerate(place) if isinstance(key, int)), len(place))
    if error["type"] == "missing":
        inside = min(inside, len(place) - 1)
        known = before.get(tuple(map(str, place)))
        what = known.what if known else "is missing"
        place = (*place, known.at) if known and known.at else place
    else:
        what = _wrong(error)
    return Odd(tuple(map(str, place[:inside])), ".".join(map(str, place[inside:])), what)


def _wrong(error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    belongs = BELONGS.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    given = error["input"]
    kinds = {dict: "an object", list: "a list"}
    shown = kinds.get(type(given)) or json.dumps(given, ensure_ascii=False)
    return f"should be {belongs} and is {shown if len(shown) <= 40 else f'{shown[:39]}…'}"


def _remove(told: Any, way: Way) -> None:
    for key in way[:-1]:
        told = told[key]
    del told[way[-1]]


def _plain(told: Any) -> Any:
    """What YAML or JSON told as JSON that can be written: no dates, no keys but texts, no halves of characters."""
    if isinstance(told, dict):
        return {_plain(str(key)): _plain(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_plain(value) for value in told]
    if told is None or isinstance(told, bool | int | float):
        return told
    return str(told).encode("utf-8", "replace").decode("utf-8")
