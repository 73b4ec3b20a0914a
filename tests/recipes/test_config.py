"""The schema: strict keys, dotted keys, slots, round trip, and what bad values are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparring.data import load
from sparring.errors import UserError
from sparring.methods import METHODS
from sparring.nets import build
from sparring.recipes.build import bout
from sparring.recipes.config import Config, differences, make, merged, nested, overrides, read, write
from sparring.recipes.slots import resolved


@pytest.mark.parametrize("method", METHODS)
def test_every_method_survives_config_yaml(method: str, tmp_path: Path) -> None:
    config = resolved(make({"student": "mlp-16", "method": method, "optim.lr": 0.1}))
    write(config, tmp_path / "config.yaml")
    assert read(tmp_path / "config.yaml") == config
    assert resolved(config) == config
    assert differences(config, read(tmp_path / "config.yaml")) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"epoch": 3}, "unknown key 'epoch'. Did you mean 'epochs'?"),
        ({"perturb.eps": float("nan")}, "perturb.eps is infinite or NaN"),
        ({"epochs": 1, "epochs.x": 1}, "epochs.x reaches into epochs, which is 1 here"),
        ({"perturb": ["pgd"], "perturb.eps": 0.1}, "perturb.eps reaches into perturb"),
        ({"optim.learning": 3}, "unknown key 'optim.learning'. Did you mean 'optim.lr'?"),
        ({"zzz": 3}, "unknown key 'zzz'. Known: .*and others"),
        ({"optim.momentom": 0.9}, "Did you mean 'optim.momentum'?"),
        ({"epochs": "many"}, "epochs='many' will not do: input should be a valid integer"),
        ({"epochs": 0}, "epochs=0 will not do: input should be greater than 0"),
        ({"val": 1.0}, "val=1.0 will not do"),
        ({"optim.name": "lamb"}, "optim.name='lamb' will not do"),
        ({"method": "dal"}, "unknown method 'dal'. Did you mean 'da'?"),
        ({"perturb": "dda"}, "unknown perturb part 'dda'. Did you mean 'da'?"),
        ({"method": "da", "perturb.alpa": 1}, "unknown key 'perturb.alpa'. Did you mean 'perturb.alpha'?"),
        ({"method": "da", "perturb.p": "often"}, "perturb.p='often' will not do"),
        ({"method": "da", "perturb.normalise": "l3"}, "perturb.normalise='l3' will not do"),
        ({"method": "kd", "objective.alpha": 1}, "unknown key 'objective.alpha'"),
        ({"method": "nowhere.py:mine"}, "the Python file nowhere.py does not exist"),
        ({"epochs": True}, "epochs=True will not do: input should be a number, and true, false, yes, no, on and off"),
        ({"epochs": 2.5}, "epochs=2.5 will not do: input should be a valid integer"),
        ({"epochs": 10**400}, "epochs=1000*… will not do: input should be at most 9223372036854775807"),
        ({"epochs": 10**5000}, "these values have no end .Exceeds the limit"),
        ({"threads": 10**9}, "threads=1000000000 will not do: input should be less than or equal to 4096"),
        ({"size": 10**9}, "size=1000000000 will not do"),
        ({"cache_keep": True}, "cache_keep=True will not do: input should be a number"),
        ({"optim.lr": True}, "optim.lr=True will not do: input should be a number"),
        ({"optim.lr": "inf"}, "optim.lr='inf' will not do: input should be a finite number"),
        ({"optim.milestones": [True]}, "optim.milestones=.* will not do: input should be a number"),
        ({"optim.nesterov": 1}, "optim.nesterov=1 will not do: input should be true or false"),
        ({"optim.nesterov": "yes"}, "optim.nesterov='yes' will not do: input should be true or false"),
        ({"method": "da", "perturb.steps": True}, "perturb.steps=True will not do: input should be a number"),
        ({"method": "da", "perturb.steps": 1.5}, "perturb.steps=1.5 will not do: input should be a valid integer"),
        ({"method": "kd", "objective.T": True}, "objective.T=True will not do: input should be a number"),
        ({"method": "kd", "objective.t2": 1}, "objective.t2=1 will not do: input should be true or false"),
        ({"method": "disk", "objective.hint": True}, "objective.hint=True will not do: input should be a valid string"),
        ({"perturb.name": 3}, "its name, 3, is no word such as 'kd'"),
        ({"objective": {"name": 7}}, "its name, 7, is no word such as 'kd'"),
    ],
)
def test_what_bad_values_are_told(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told.replace("?", r"\?")):
        resolved(make(values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"perturb.p": 1.5}, "perturb: a probability of 1.5 was given"),
        ({"perturb.steps": -1}, "perturb: steps is -1"),
        ({"perturb.share": 0}, "perturb: share is 0"),
        ({"perturb.alpha": -1}, "perturb: steps is 1, alpha is -1"),
        ({"objective.ce": 0, "objective.kd": 0}, "objective: both weights are 0"),
        ({"objective.T": 0}, "objective: T is 0"),
    ],
)
def test_what_values_out_of_range_are_told(values: dict[str, Any], told: str) -> None:
    data = load("digits")
    teacher, student = (build("mlp-16", classes=10, shape=(1, 8, 8), mean=(0.5,), std=(0.5,)) for _ in range(2))
    with pytest.raises(UserError, match=told):
        bout(resolved(make({"method": "da", **values})), student, teacher, data)


def test_values_of_the_right_kind_pass_as_they_are_written() -> None:
    values = {"epochs": 2.0, "threads": "3", "optim.nesterov": True, "channels_last": None, "perturb.eps": "8/255"}
    config = resolved(make({"method": "at", **values}))
    assert (config.epochs, config.threads, config.optim.nesterov, config.perturb["eps"]) == (2, 3, True, 8 / 255)


def test_values_that_hold_themselves() -> None:
    inside: dict[str, Any] = {}
    inside["b"] = inside
    with pytest.raises(UserError, match=r"no end .Circular reference detected.: write them out"):
        make({"objective": inside})
    with pytest.raises(UserError, match="these values have no end"):
        make(overrides(("perturb=&a {b: *a}",)))
    assert overrides(("data=2026-99-99",)) == {"data": "2026-99-99"}


def test_a_slot_takes_a_name_and_options_in_any_order() -> None:
    for values in ({"perturb": "da", "perturb.p": 1.0}, {"perturb.p": 1.0, "perturb": "da"}):
        chosen = resolved(make({"method": "kd", **values}))
        assert (chosen.perturb["name"], chosen.perturb["p"], chosen.objective["name"]) == ("da", 1.0, "kd")
    assert resolved(make({"method": "da", "perturb.steps": 2})).perturb["steps"] == 2
    assert nested({"a.b": 1, "a.c": 2}) == {"a": {"b": 1, "c": 2}}


def test_a_preset_keeps_its_options_beside_the_users() -> None:
    chosen = resolved(make({"method": "kd-simkd", "objective.T": 2})).objective
    assert (chosen["T"], chosen["ce"], chosen["kd"]) == (2.0, 1.0, 1.0)


def test_merging_onto_a_saved_run() -> None:
    saved = resolved(make({"student": "mlp-16", "method": "da", "perturb.p": 0.5, "optim.lr": 0.2}))
    again = resolved(merged(saved, {"optim.momentum": 0.5, "perturb.alpha": 0.1}))
    assert (again.perturb["p"], again.perturb["alpha"]) == (0.5, 0.1)
    assert (again.optim.lr, again.optim.momentum) == (0.2, 0.5)
    other = resolved(merged(saved, {"method": "ce"}))
    assert [other.perturb["name"], other.targets["name"], other.objective["name"]] == ["clean", "none", "ce"]
    assert resolved(merged(saved, {"perturb": "clean"})).perturb == {"name": "clean"}


def test_differences_are_named_and_where_keys_are_not() -> None:
    old = resolved(make({"student": "mlp-16"}))
    new = resolved(make({"student": "mlp-16", "optim.lr": 0.1, "device": "cpu", "threads": 1}))
    assert differences(old, new) == ["optim.lr: 0.05 → 0.1"]


def test_words_of_a_command_line() -> None:
    read_back = overrides(("optim.lr=1e-1", "optim.milestones=[0.5, 0.75]", "perturb.clamp=none", "optim.clip="))
    config = make({**read_back, "method": "da"})
    assert config.optim.lr == 0.1
    assert config.optim.milestones == (0.5, 0.75)
    assert config.optim.clip is None
    assert resolved(config).perturb["clamp"] == "none"
    with pytest.raises(UserError, match="'resnet8' is not understood here: write key=value"):
        overrides(("resnet8",))


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just words", "a: 2026-99-99", "[" * 5000])
def test_a_file_that_is_no_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yaml (is not YAML|holds no keys)"):
        read(tmp_path / "c.yaml")
    with pytest.raises(UserError, match="cannot read"):
        read(tmp_path / "none.yaml")


def test_the_defaults_are_da_s_recipe() -> None:
    optim = Config().optim
    assert (optim.lr, optim.momentum, optim.weight_decay, optim.nesterov) == (0.05, 0.9, 5e-4, False)
    assert [round(240 * part) for part in optim.milestones] == [150, 180, 210]
