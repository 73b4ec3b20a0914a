"""The hints by name: what may be censored by DiSK's guide."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sparring.core import Setting, UserError, did_you_mean
from sparring.methods.attention import Attention
from sparring.methods.fitnets import FitNets
from sparring.methods.semckd import SemCKD
from sparring.methods.simkd import SimKD
from sparring.parts.hint import Hint, NoHint
from sparring.userfile import imported

HINTS: dict[str, Callable[..., Hint]] = {
    "none": NoHint,
    "fitnets": FitNets,
    "attention": Attention,
    "semckd": SemCKD,
    "simkd": SimKD,
}


def hint_named(hint: str | Mapping[str, Any], setting: Setting) -> Hint:
    """A hint by its name here, or the `Hint` that file.py:Name makes; with options as {"name": …, OPTION: …}.

    Raises UserError for a name that nobody has, an option that it does not take, and what is no `Hint`.
    """
    options: dict[str, Any] = {"name": hint} if isinstance(hint, str) else dict(hint)
    if not isinstance(name := options.pop("name", None), str):
        raise UserError("a hint has options here and no name: give objective.hint=NAME beside objective.hint.OPTION")
    if ":" not in name and name not in HINTS:
        raise UserError(f"unknown hint {name!r}. {did_you_mean(name, HINTS)} One of your own is file.py:Name")
    make = imported(name) if ":" in name else HINTS[name]
    try:
        inspect.signature(make).bind(setting, **options)
    except TypeError as error:
        known = [f"objective.hint.{option}" for option in [*inspect.signature(make).parameters][1:]]
        told = f"its options are {', '.join(known)}" if known else "it has no options"
        raise UserError(f"hint {name}: {error}; {told}") from error
    if not isinstance(made := make(setting, **options), Hint):
        raise UserError(f"hint {name} is {type(made).__name__}: a hint subclasses sparring.parts.hint.Hint")
    return made
