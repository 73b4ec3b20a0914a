"""The one typed schema: the arguments of Python calls, the command line's flags and keys, and config.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator

from sparring.errors import UserError, first_line
from sparring.files import write_text
from sparring.keys import LEAVES, WHERE, flat, in_pixels, joined
from sparring.recipes.kinds import Strict, explain


class Optim(Strict):
    """How the student descends."""

    model_config = ConfigDict(frozen=True)

    name: Literal["sgd", "adam", "adamw", "lion", "adamw8bit", "lion8bit"] = Field(
        default="sgd", description="the optimiser"
    )
    lr: float = Field(default=0.05, gt=0, description="learning rate at its height")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD's momentum")
    nesterov: bool = Field(default=False, description="SGD with Nesterov's look ahead")
    weight_decay: float = Field(default=5e-4, ge=0, description="weight decay (for adam and sgd: L2)")
    schedule: Literal["steps", "cosine", "constant", "exponential", "plateau"] = Field(
        default="steps", description="what the rate does over time"
    )
    milestones: tuple[float, ...] = Field(
        default=(0.625, 0.75, 0.875), description="steps: when, as parts of the training"
    )
    decay: float = Field(default=0.1, gt=0, description="steps, plateau: by what factor; exponential: down to it")
    patience: int = Field(default=20, gt=0, description="plateau: epochs without a better validation accuracy")
    decays: int = Field(default=5, gt=0, description="plateau: at which drop of the rate training ends")
    warmup: float = Field(default=0.0, ge=0, description="epochs of linear warm-up")
    clip: float | None = Field(default=None, gt=0, description="largest norm of the whole gradient")


class Config(Strict):
    """Everything that decides what a run computes, and a few keys that only decide where."""

    model_config = ConfigDict(frozen=True)

    student: str = Field(
        default="", description="the network to train: a name, timm:NAME, hf:NAME, file.py:callable, a run"
    )
    teacher: str | None = Field(
        default=None, description="whom it learns from: a run directory, NAME@weights, timm:NAME, …, ensemble:A+B"
    )
    data: str = Field(default="digits", description="a data set's name, hf:user/name, or a folder")
    method: str = Field(default="kd", description="a row of `sparring list methods`, or my_method.py:slots")
    perturb: dict[str, Any] = Field(default={}, description="which inputs: a name, and options as perturb.OPTION=…")
    targets: dict[str, Any] = Field(default={}, description="what is asked for there")
    objective: dict[str, Any] = Field(default={}, description="how the answer is scored")
    optim: Optim = Field(default=Optim(), description="how the student descends")
    epochs: int = Field(default=30, gt=0, description="passes over the training data")
    batch_size: int = Field(default=64, gt=0, description="images in a step, over all processes")
    seed: int = Field(default=0, ge=0, description="all chance follows from it")
    val: float = Field(default=0.1, ge=0, lt=1, description="the part of the training set held out; 0 for none")
    omit: tuple[str, ...] = Field(
        default=(), description="classes, by name or number, of which the student sees no image before the test"
    )
    augment: str = Field(
        default="default",
        description="none, or names joined by + (crop+flip+rotate; shift3 is HARD's control literal, shift2 its "
        "uniform2; see `sparring list augment`), or the data set's default",
    )
    views: int | None = Field(
        default=None,
        gt=0,
        description="how many augmented versions of each image there are, the same for all seeds, one an epoch and "
        "then again; by default new ones for ever, and with a cache one for each epoch",
    )
    cache: str | None = Field(
        default=None,
        description="a folder where the teacher's answers are kept, for other runs and seeds too; auto for one of the "
        "user's cache",
    )
    cache_keep: Literal["full", "half"] | Annotated[int, Field(gt=0)] = Field(
        default="full", description="of them: full, half (precision), or a number: that many of the highest, in half"
    )
    size: int | None = Field(
        default=None,
        gt=0,
        le=2**14,
        description="scale images' shorter side to this many pixels, and cut out the middle square",
    )
    data_root: str | None = Field(default=None, description="where local copies of data sets lie (or SPARRING_DATA)")
    normalise: str = Field(default="auto", description="student's preprocessing: auto, data, none, imagenet, half")
    teacher_normalise: str = Field(
        default="auto", description="teacher's preprocessing: auto, data, none, imagenet, half"
    )
    protocol: Literal["honest", "paper"] = Field(
        default="honest", description="paper: also the best epoch on the test set"
    )
    gradients: int | None = Field(
        default=None,
        gt=0,
        description="the number of an epoch, from 1, over which the size of the student's gradients is written down, "
        "layer by layer (gradients.json); by default none",
    )
    any_teacher: bool = Field(default=False, description="go on with a teacher that is hardly better than chance")
    device: str = Field(default="auto", description="auto (cuda, else cpu), cpu, cuda, cuda:1, mps, …")
    precision: Literal["auto", "float32", "bf16"] = Field(default="auto", description="of the networks' forwards")
    channels_last: bool | None = Field(
        default=None, description="memory layout of images; by default where it is faster"
    )
    compile: bool = Field(default=False, description="torch.compile the networks")
    threads: int | None = Field(default=None, gt=0, le=4096, description="CPU threads")
    workers: int = Field(default=2, ge=0, le=1024, description="processes that read data sets too large for memory")
    track: str | None = Field(default=None, description="also log to tensorboard, trackio, wandb or swanlab")

    @field_validator("perturb", "targets", "objective", mode="before")
    @classmethod
    def _name_alone(cls, choice: Any) -> Any:
        if isinstance(choice, Mapping) and not isinstance(name := choice.get("name"), str | None):
            raise ValueError(f"its name, {name!r}, is no word such as 'kd' or 'my_method.py:mine'")
        return {"name": choice} if isinstance(choice, str) else in_pixels(choice)

    @field_validator("omit", mode="before")
    @classmethod
    def _one_alone(cls, classes: Any) -> Any:
        given = sorted(classes, key=str) if isinstance(classes, set) else classes
        each = given if isinstance(given, list | tuple) else [given] * (given is not None)
        return tuple(word.strip() for one in each for word in str(one).split(",") if word.strip())


SLOTS = ("perturb", "targets", "objective")


def make(values: Mapping[str, Any]) -> Config:
    """A checked `Config` from plain values; dotted keys reach inside (`{"optim.lr": 0.1}`).

    Raises UserError for an unknown key (with the nearest known one) or a value of the wrong type.
    """
    inside = nested(values)
    if odd := [key for key, value in flat(inside).items() if isinstance(value, float) and not isfinite(value)]:
        raise UserError(f"{odd[0]} is infinite or NaN: give a number")
    try:
        return Config.model_validate(inside)
    except ValidationError as error:
        raise UserError(explain(error, Config)) from error


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"optim.lr": 1}` as `{"optim": {"lr": 1}}`; a bare slot name and its dotted options join. Raises UserError for
    what cannot be put together, and for values that hold themselves."""
    try:
        json.dumps(dict(values), default=str, skipkeys=True)
    except (ValueError, RecursionError) as error:
        raise UserError(f"these values have no end ({first_line(error)}): write them out, without & and *") from error
    result: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = str(key).split(".")
        place = result
        for name in path:
            if isinstance(place.get(name), str):  # perturb=da perturb.p=1
                place[name] = {"name": place[name]}
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise UserError(f"{key} reaches into {name}, which is {place!r} here: leave one of the two out")
        if isinstance(place.get(last), dict) and isinstance(value, str):
            place[last]["name"] = value
        elif isinstance(place.get(last), dict) and isinstance(value, Mapping):
            place[last] = joined(place[last], value)
        else:
            place[last] = dict(value) if isinstance(value, Mapping) else value
    return result


def merged(base: Config, changes: Mapping[str, Any]) -> Config:
    """`base` with some keys changed. Another method, or another name in a slot, drops the old options there."""
    values, changes = base.model_dump(mode="json"), nested(changes)
    if changes.get("method", base.method) != base.method:
        values |= {slot: {} for slot in SLOTS}
    for key, value in changes.items():
        old = values.get(key) or {}
        if key in SLOTS:
            value = {"name": value} if isinstance(value, str) else value
            if not isinstance(value, Mapping):
                told = f"a {type(value).__name__} object, and is a name such as 'kd' or 'my_method.py:mine'"
                raise UserError(f"{key} is {told}, or a dictionary with one and its options")
            old = {} if value.get("name", old.get("name")) != old.get("name") else old
        values[key] = joined(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return make(values)


def overrides(tokens: tuple[str, ...]) -> dict[str, Any]:
    """`key=value` words of a command line as values; YAML's notation for numbers, lists and true/false."""
    values = {}
    for token in tokens:
        key, equals, text = token.partition("=")
        if not equals or not key:
            raise UserError(f"{token!r} is not understood here: write key=value, for example optim.lr=0.1")
        try:
            values[key] = yaml.safe_load(text) if text else None
        except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: 2026-99-99, and a number of 5000 digits
            values[key] = text
    return values


def read(path: Path | str) -> Config:
    """The `Config` in a config.yaml. Raises UserError where there is none or it is not one."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give the config.yaml of a run") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not YAML ({first_line(error)}); give the config.yaml of a run") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no keys; give the config.yaml of a run")
    return make(values)


def write(config: Config, path: Path) -> None:
    """Save a `Config` so that `read` gives it back."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def differences(old: Config, new: Config) -> list[str]:
    """What differs between two configurations in what they compute, as "key: old → new"."""
    before, after = flat(old.model_dump(mode="json")), flat(new.model_dump(mode="json"))
    return [
        f"{key}: {before.get(key)} → {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if key not in WHERE | LEAVES and before.get(key) != after.get(key)
    ]
