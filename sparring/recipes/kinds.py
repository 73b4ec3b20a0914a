"""Values and what they ought to be: a schema that takes no kind of value for another, and what is told of a misfit."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, create_model, field_validator

from sparring.errors import UserError, did_you_mean

P = ParamSpec("P")
R = TypeVar("R")
LARGEST = 2**63 - 1  # a whole number that torch and NumPy can count to


class Strict(BaseModel):
    """A schema that reads numbers out of text, but takes no true for a 1, no "yes" for a true, and nothing infinite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = kinds(cls.model_fields[info.field_name or ""].annotation)
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, bool) and wanted & {int, float} and bool not in wanted:
                raise ValueError("input should be a number, and true, false, yes, no, on and off are none")
            if wanted <= {bool, type(None)} and not isinstance(each, bool | None):
                raise ValueError("input should be true or false")
            if isinstance(each, str) and "\0" in each:
                raise ValueError("input should be text without a NUL, which no name or path has")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _of_a_size(cls, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"input should be at most {LARGEST}")
        return value


def kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of: `tuple[int, ...] | None` of tuple's int, and None's type."""
    inner = () if get_origin(annotation) is Literal else get_args(annotation)
    inner = inner[:1] if get_origin(annotation) is Annotated else inner
    return set().union(*map(kinds, inner)) if inner else {annotation}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose arguments are brought to what it says that they are. Raises UserError for what is no such
    thing, before anything is done."""

    @cache
    def schema() -> type[BaseModel]:
        hints = get_type_hints(function, include_extras=True)
        named = [each for each in inspect.signature(function).parameters.values() if each.kind is not each.VAR_KEYWORD]
        fields: dict[str, Any] = {each.name: (hints[each.name], None) for each in named}
        return create_model(function.__name__, __base__=Strict, **fields)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = inspect.signature(function).bind(*args, **kwargs)
        model = schema()
        told = {name: value for name, value in given.arguments.items() if name in model.model_fields}
        try:
            made = model.model_validate(told)
        except ValidationError as error:
            raise UserError(explain(error, model)) from error
        given.arguments.update({name: getattr(made, name) for name in told})
        return function(*given.args, **given.kwargs)

    return call


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """The first thing wrong with some values, in a sentence or two."""
    first, *others = error.errors()
    names = [str(part) for part in first["loc"]]
    if len(kinds(getattr(model.model_fields.get(names[0]), "annotation", None)) - {type(None)}) > 1:
        names = names[:1]  # of what may be of several kinds pydantic names each
    key = prefix + ".".join(names)
    if first["type"] == "missing" and len(names) == 1:
        return f"{key} has no default: give {key}=…"
    if first["type"] == "extra_forbidden":
        known = [prefix + name for name in known_keys(model)]
        if not known:
            return f"unknown key {key!r}: what fills that slot takes no options; name another, such as perturb=da"
        return f"unknown key {key!r}. {did_you_mean(key, known)}"
    same = [first] + [each for each in others if [*each["loc"]][: len(names)] == [*first["loc"]][: len(names)]]
    said = [each["msg"].removeprefix("Value error, ") for each in same]
    wanted = ", or: ".join(dict.fromkeys(text[0].lower() + text[1:] for text in said))
    return f"{key}={shown(first['input'])} will not do: {wanted}"


def shown(value: Any) -> str:
    """A value as Python writes it, in a line that fits into a sentence."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of 5000 digits
        text = f"a {type(value).__name__} too long to be told"
    return text if len(text) <= 100 else f"{text[:100]}…"


def known_keys(model: type[BaseModel]) -> list[str]:
    """The keys of a schema, dotted for what lies inside."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += [f"{name}.{key}" for key in known_keys(inner)]
        else:
            keys.append(name)
    return keys
