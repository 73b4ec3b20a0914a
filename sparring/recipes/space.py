"""What a search goes over: for each key the ends of a range or a few values, read from text and held to the schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from sparring.errors import UserError, did_you_mean
from sparring.keys import LEAVES, WHERE, number
from sparring.recipes.config import SLOTS, Config, merged
from sparring.recipes.kinds import kinds, known_keys
from sparring.recipes.options import options_of
from sparring.recipes.slots import factory, last_word, links, resolved

IMAGES = frozenset({"data", "val", "omit", "size"})  # of these hangs what trials are judged on
DIGITS = 4  # of a value between two ends: enough to tell apart, and short enough to type again


@dataclass(frozen=True, slots=True)
class Dimension:
    """A key, and what it may be: of `choices` one, or a number from `low` to `high`, both included.

    log: equally likely by ratio, not by difference. whole: without a fraction.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values at its ends; all choices."""
        return self.choices or (self.low, self.high)

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key}={','.join(plain(choice) for choice in self.choices)}"
        return f"{self.key}={'log:' if self.log else ''}{self.low!r}..{self.high!r}"

    def shortened(self, value: Any) -> Any:
        """A value of it in few digits, and still within its ends."""
        if self.choices or self.whole:
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


def plain(value: Any) -> str:
    """A value as it is typed behind a key's =, so that YAML reads it back."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")


def space(words: Sequence[str], base: Config) -> tuple[Dimension, ...]:
    """Words such as perturb.alpha=log:0.001..0.1, perturb.steps=1..3 and optim.name=sgd,adam, read.

    base: the configuration of which they change something. Raises UserError for a key or value that it cannot have, for
    one that no search can go over, and for a range that is none.
    """
    if not words:
        raise UserError("nothing to search over was given: name keys, as --over perturb.alpha=log:0.001..0.1")
    found = tuple(dimension(word, base) for word in words)
    keys = [each.key for each in found]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UserError(f"--over names {twice[0]} twice: give it once")
    for corner in corners(found):
        resolved(merged(base, corner))
    return found


def corners(over: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Some places of the space such that each range's ends and each choice are at one of them."""
    count = max(len(each.ends) for each in over)
    return [{each.key: each.ends[min(at, len(each.ends) - 1)] for each in over} for at in range(count)]


def dimension(word: str, base: Config) -> Dimension:
    """One word, read. Raises UserError."""
    key, equals, text = word.partition("=")
    key, text = key.strip(), text.strip()
    if not (key and equals and text):
        raise UserError(f"--over {word} is no range: write key=LOW..HIGH, key=log:LOW..HIGH or key=THIS,THAT")
    refuse_key(key, base)
    scale, colon, inner = text.partition(":")
    if ".." in text and "," not in text:
        if colon and scale != "log":
            raise UserError(f"--over {word}: a range is LOW..HIGH or log:LOW..HIGH, and {scale}: is neither")
        return ranged(key, inner if colon else text, base, log=bool(colon))
    if "[" in text or "{" in text:
        raise UserError(
            f"--over {word}: what a search chooses among are numbers, words, true, false and null, and no lists; give "
            f"one list as {key}=[…] without --over"
        )
    words = [each.strip() for each in text.split(",")]
    if "" in words:
        raise UserError(f"--over {word} has a comma with no value beside it: write {key}=THIS,THAT, and null for none")
    choices = tuple(map(yaml_of, words))
    if len(choices) < 2:
        raise UserError(f"--over {word} has one value: give {word} without --over, or a range or several values")
    if len(set(map(repr, choices))) < len(choices):
        raise UserError(f"--over {word} has a value twice: give each once")
    return Dimension(key, choices)


def yaml_of(text: str) -> Any:
    """A value as `key=value` words have it."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float | str) else text


def ranged(key: str, text: str, base: Config, *, log: bool) -> Dimension:
    """A range, read."""
    low, high = (end(each, f"{key}={text}") for each in text.split("..", 1))
    allowed = kinds_of(key, base)
    if allowed and not allowed & {int, float, Any}:
        raise UserError(f"{key} is no number, so there is no range of it: give values with commas, as {key}=THIS,THAT")
    if not low < high:
        raise UserError(f"{key}={text} goes from {low:g} to {high:g}: give the lower end first")
    if log and low <= 0:
        raise UserError(
            f"{key}=log:{text} goes from {low:g}, and only numbers above 0 have a logarithm: leave out log:"
        )
    written = low.is_integer() and high.is_integer() and "." not in text.replace("..", " ")
    whole = written if not allowed or Any in allowed else float not in allowed
    if whole and not (low.is_integer() and high.is_integer()):
        raise UserError(f"{key} is a whole number, and {text} has a fraction: give whole ends, as 1..3")
    return Dimension(key, (), int(low) if whole else low, int(high) if whole else high, log, whole)


def end(text: str, word: str) -> float:
    """An end of a range: 0.1, 1e-4, or 8/255."""
    try:
        found = number(text)
        found = float(text) if found is None else found
    except ValueError:
        raise UserError(f"--over {word}: {text!r} is no number; write LOW..HIGH, as 0.1..1") from None
    if not math.isfinite(found):
        raise UserError(f"--over {word}: {text!r} is no end to search up to: give a finite number")
    return found


def refuse_key(key: str, base: Config) -> None:
    """Raise UserError for a key that is unknown, or that no search can go over."""
    top = key.partition(".")[0]
    known = known_keys(Config)
    if top not in SLOTS and key not in known:
        inside = [f"{slot}.{option}" for slot in SLOTS for option in options_in(slot, base)]
        raise UserError(f"unknown key {key!r}. {did_you_mean(key, [*known, *inside])}")
    if key == "seed":
        raise UserError("seed is not searched over: the best of several seeds is luck; --seeds says how many check it")
    if key in IMAGES:
        raise UserError(f"{key} is not searched over: trials with other {key} are judged on other images")
    if key in WHERE | LEAVES | {"protocol", "any_teacher"}:
        raise UserError(f"{key} is not searched over: it changes nothing that is learned")


def options_in(slot: str, base: Config) -> dict[str, Any]:
    """The options of what fills a slot in `base`, each with its annotation; those of a chain's links by LINK.OPTION,
    and by OPTION."""
    found: dict[str, Any] = {}
    parts = list(links(getattr(resolved(base), slot)))
    for name, _ in parts:
        for option, field in options_of(factory(slot, name)).model_fields.items():
            found[option] = field.annotation
            if len(parts) > 1:
                found[f"{last_word(name)}.{option}"] = field.annotation
    return found


def kinds_of(key: str, base: Config) -> set[Any]:
    """The kinds that a key's value may be of; none where that is not known, as of what another choice brings."""
    top, _, rest = key.partition(".")
    if top in SLOTS:
        options = options_in(top, base)
        return kinds(options[rest]) if rest in options else set()
    model: Any = Config
    *path, last = key.split(".")
    for name in path:
        model = model.model_fields[name].annotation
    assert issubclass(model, BaseModel)
    return kinds(model.model_fields[last].annotation)
