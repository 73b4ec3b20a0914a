"""How players descend: the optimisers and the learning rate's courses that a configuration names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from sparring.core import Player, UserError
from sparring.engine import Descent
from sparring.engine.descent import Observer
from sparring.parts import schedules
from sparring.parts.schedules import Schedule
from sparring.recipes.config import Optim

LIBRARIES = {  # optimisers of other packages: (module, class there)
    "lion": ("lion_pytorch", "Lion"),
    "adamw8bit": ("bitsandbytes.optim", "AdamW8bit"),
    "lion8bit": ("bitsandbytes.optim", "Lion8bit"),
}


def require(optim: Optim, *, validation: bool) -> None:
    """Raise UserError where the optimiser's package is not installed, or a plateau has no validation part."""
    if optim.name in LIBRARIES:
        found_in_library(optim.name)
    if optim.schedule == "plateau" and not validation:
        raise UserError(
            "optim.schedule=plateau waits for validation accuracy and nothing is held out to tell it (val=0): "
            "give val=0.1, or another schedule"
        )


def found_in_library(name: str) -> Callable[..., Optimizer]:
    """The class of another package that optim.name=`name` stands for. Raises UserError where it cannot be imported."""
    module, there = LIBRARIES[name]
    try:
        return getattr(importlib.import_module(module), there)
    except ImportError as error:
        raise UserError(
            f"optim.name={name} needs the package {module.partition('.')[0]}, which is not here: "
            "pip install 'sparring[optim]'"
        ) from error


def descents(
    optim: Optim,
    players: Mapping[str, Player],
    plateau: Schedule = schedules.constant,
    observers: Mapping[str, Observer] | None = None,
) -> dict[str, Descent]:
    """How each player of a method moves: by its own optimiser where it brings one, else by the run's.

    plateau: the course of the rate where optim.schedule=plateau. observers: who looks on, by the player's name.
    """
    result = {}
    for name, player in players.items():
        own = player.optimizer
        result[name] = Descent(
            player.module,
            own or partial(optimizer, optim),
            schedule=schedules.constant if own else schedule(optim, plateau),
            clip=optim.clip,
            observer=(observers or {}).get(name),
        )
    return result


def optimizer(optim: Optim, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser of a configuration."""
    shared: Mapping[str, Any] = {"lr": optim.lr, "weight_decay": optim.weight_decay}
    if optim.name in LIBRARIES:
        return found_in_library(optim.name)(parameters, **shared)
    if optim.name == "sgd":
        return SGD(parameters, momentum=optim.momentum, nesterov=optim.nesterov, fused=True, **shared)
    return {"adam": Adam, "adamw": AdamW}[optim.name](parameters, fused=True, **shared)


def schedule(optim: Optim, plateau: Schedule) -> Schedule:
    """The learning rate's course of a configuration."""
    shape = {
        "constant": schedules.constant,
        "cosine": schedules.cosine,
        "steps": schedules.steps(optim.milestones, optim.decay),
        "exponential": schedules.exponential(optim.decay),
        "plateau": plateau,
    }[optim.schedule]
    return schedules.warmed(shape, optim.warmup) if optim.warmup else shape
