"""The hints by name: what may be censored by DiSK's guide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sparring.core import Setting
from sparring.methods.attention import Attention
from sparring.methods.fitnets import FitNets
from sparring.methods.semckd import SemCKD
from sparring.methods.simkd import SimKD
from sparring.parts.hint import Hint, NoHint

HintName = Literal["none", "fitnets", "attention", "semckd", "simkd"]
HINTS: dict[str, Callable[[Setting], Hint]] = {
    "none": lambda setting: NoHint(),
    "fitnets": FitNets,
    "attention": Attention,
    "semckd": SemCKD,
    "simkd": SimKD,
}


def hint_named(name: HintName, setting: Setting) -> Hint:
    """A hint with its own paper's options."""
    return HINTS[name](setting)
