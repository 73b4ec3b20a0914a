"""What is called from Python with values of another kind is told so in a sentence, before anything is done."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from runs import configured
from torch import nn

from sparring import verbs
from sparring.errors import UserError
from sparring.evaluate import latency
from sparring.recipes.build import Given, prepare
from sparring.recipes.config import Config
from sparring.recipes.kinds import checked


class Holding(nn.Module):
    """A classifier of the digits that holds a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lock = nn.Linear(64, 10), threading.Lock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


@checked
def asked(first: str, /, *, count: int = 1, radius: float | str | None = None, **rest: Any) -> tuple[Any, ...]:
    """What it was given."""
    return first, count, radius, rest


def test_arguments_are_brought_to_their_kinds() -> None:
    assert asked("a", count="10", radius="8/255", other=3) == ("a", 10, "8/255", {"other": 3})  # pyright: ignore
    assert asked("a", count=2.0, radius=1) == ("a", 2, 1, {})  # pyright: ignore
    assert asked.__doc__ == "What it was given."
    for wrong, told in (
        ({"count": 1.5}, "count=1.5 will not do: input should be a valid integer"),
        ({"count": True}, "count=True will not do: input should be a number"),
        ({"radius": True}, "radius=True will not do: input should be a number"),
        (
            {"radius": [1]},
            r"radius=\[1\] will not do: input should be a valid number, or: input should be a valid string",
        ),
    ):
        with pytest.raises(UserError, match=told):
            asked("a", **wrong)  # pyright: ignore
    with pytest.raises(UserError, match="first=3 will not do: input should be a valid string"):
        asked(3)  # pyright: ignore
    with pytest.raises(TypeError, match="missing a required argument: 'first'"):
        asked()  # pyright: ignore


@pytest.mark.parametrize(
    ("verb", "arguments", "told"),
    [
        ("evaluate", {"run": "x", "part": "train"}, "part='train' will not do: input should be 'test' or 'validation'"),
        (
            "evaluate",
            {"run": "x", "attack": "pgd", "images": 1.5},
            "images=1.5 will not do: input should be a valid int",
        ),
        ("evaluate", {"run": "x", "attack": "pgd", "eps": True}, "eps=True will not do: input should be a number"),
        ("evaluate", {"run": "x", "corruptions": "fog"}, "corruptions='fog' will not do"),
        ("evaluate", {"run": 3}, "run is a int: give a run's folder"),
        ("show", {"run": "x", "part": "train"}, "part='train' will not do"),
        ("export", {"run": "x", "exit": 1}, "exit=1 will not do: input should be a valid string"),
        ("export", {"run": "x", "to": "tflite"}, "--to tflite is no form that is written"),
        ("export", {"run": 3}, "run is a int: give a run's folder"),
        ("train", {"net": "mlp-16", "out": 3}, "out=3 will not do"),
        ("train", {"net": "mlp-16", "out": "x", "seeds": True}, "seeds=True will not do"),
        ("train", {"net": "mlp-16", "out": "a\0b"}, "out='a.x00b' will not do: input should be text without a NUL"),
        ("distill", {"method": 3, "out": "x"}, "method=3 will not do"),
        ("distill", {"baseline": "yes", "out": "x"}, "baseline='yes' will not do: input should be true or false"),
        ("check", {"student": "mlp-16", "config": 3}, "config=3 will not do"),
        ("reproduce", {"name": "da-table1", "out": "x", "seeds": 1.5}, "seeds=1.5 will not do"),
        ("taps", {"net": "mlp-16", "shape": (1, 8)}, "shape.2=.1, 8. will not do: field required"),
        ("known", {"what": "method"}, "there is no list of 'method'. Did you mean 'methods'?"),
        ("explained", {"slot": "target", "name": "kd"}, "there is no slot 'target'. Did you mean 'targets'?"),
    ],
)
def test_verbs_refuse_other_kinds(
    verb: str, arguments: dict[str, Any], told: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        getattr(verbs, verb)(**arguments)
    assert not list(tmp_path.iterdir())


def test_a_configuration_is_handed_on_itself() -> None:
    @checked
    def given(config: Config | str | None = None) -> Config | str | None:
        return config

    config = Config()
    assert given(config) is config


def test_a_student_that_cannot_be_copied_and_a_teacher_that_need_not_be() -> None:
    with pytest.raises(
        UserError, match=r"the student cannot be copied, .* .TypeError: cannot pickle '_thread.lock' obj"
    ):
        prepare(configured(), Given(student=Holding()))
    prepare(configured(method="kd"), Given(teacher=Holding(), student=nn.Sequential(nn.Flatten(), nn.Linear(64, 10))))
    assert latency(Holding(), (1, 8, 8), repeats=1) > 0
