"""The options of what fills a slot: a schema out of its factory's keyword arguments; values checked, and told of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo

from sparring.errors import UserError
from sparring.recipes.kinds import Strict, explain


def options_of(factory: Callable[..., Any]) -> type[BaseModel]:
    """The schema of a part's options: the keyword arguments of the factory that makes it."""
    function = factory.__init__ if inspect.isclass(factory) else factory
    hints = get_type_hints(function)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(factory.__name__, __base__=Strict, **fields)


def described(factory: Callable[..., Any]) -> str:
    """The first line about a part, and its options with their choices or defaults; bare where it depends on others."""
    about = (inspect.getdoc(factory) or "").partition("\n")[0]
    options = _options(factory)
    return f"{about} Options: {options}" if options else about


def explained(factory: Callable[..., Any]) -> str:
    """All that is written about a part, and its options as `described` has them."""
    about, options = inspect.getdoc(factory) or "", _options(factory)
    return f"{about}\n\nOptions: {options}" if options else about


def _options(factory: Callable[..., Any]) -> str:
    return ", ".join(name + _choices(field) for name, field in options_of(factory).model_fields.items())


def _choices(field: FieldInfo) -> str:
    """An option's default, "=4.0"; of one with few choices all, the default first, in brackets without one."""
    kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if get_origin(kind) is Literal]
    choices = [str(choice) for kind in kinds for choice in get_args(kind)]
    if field.default is None:
        return f"=({'|'.join(choices)})" if choices else ""
    return "=" + "|".join(dict.fromkeys(["required" if field.is_required() else str(field.default), *choices]))


def checked_options(factory: Callable[..., Any], options: Mapping[str, Any], slot: str) -> dict[str, Any]:
    """A part's options, complete and of the right types. Raises UserError for an unknown one or a wrong value."""
    model = options_of(factory)
    try:
        return model.model_validate(dict(options)).model_dump()
    except ValidationError as error:
        raise UserError(explain(error, model, prefix=f"{slot}.")) from error
