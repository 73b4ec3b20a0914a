"""No teacher, or several: runs that learn from the student's own average, and from an ensemble."""

import json

import pytest
import torch
from runs import configured
from safetensors.torch import load_file
from torch import nn

from sparring import distill
from sparring.core import Network
from sparring.errors import UserError
from sparring.nets import load, members
from sparring.recipes.build import Given, prepare
from sparring.recipes.check import inspect
from sparring.recipes.config import read
from sparring.recipes.examine import examine
from sparring.recipes.manifest import manifest
from sparring.recipes.run import run
from sparring.recipes.teacher import on_trial, other_size, refuse_weak_teacher


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """The folder of another trained perceptron, whose path holds a +."""
    out = tmp_path_factory.mktemp("teacher") / "mlp+16"
    run(configured(student="mlp-16", epochs=4, seed=1), out)
    return out


def small(channels=1):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def test_a_run_without_a_teacher(tmp_path):
    done = run(configured(method="ema", student="resnet8", epochs=1, precision="bf16", channels_last=True), tmp_path)
    assert done.metrics["teacher"] is None
    assert "teacher_facts" not in done.metrics
    assert done.metrics["test"]["accuracy"] > 0.15
    assert load_file(tmp_path / "student.safetensors").keys() == load(str(tmp_path)).body.state_dict().keys()


def test_a_teacher_that_is_not_asked_is_not_told_of(teacher, tmp_path):
    done = run(configured(method="ema", teacher=str(teacher), epochs=1), tmp_path / "with")
    assert done.metrics["teacher"] is None
    alone = run(configured(method="ema", epochs=1), tmp_path / "without")
    assert (tmp_path / "with/student.safetensors").read_bytes() == (
        tmp_path / "without/student.safetensors"
    ).read_bytes()
    assert done.metrics["test"] == alone.metrics["test"]


def test_other_targets_still_need_one():
    with pytest.raises(UserError, match="learns from a teacher, and none was given"):
        prepare(configured(method="dkd"), Given())


def test_an_ensemble_teaches(teacher, second, tmp_path, monkeypatch):
    monkeypatch.chdir(second.parent)
    config = configured(method="kd", teacher=f"ensemble:{teacher}+mlp+16")
    done = run(config, tmp_path / "run")
    assert read(tmp_path / "run/config.yaml").teacher == f"ensemble:{teacher}+{second}"
    facts = done.metrics["teacher_facts"]
    assert facts["name"] == "ensemble:mlp-32+mlp-16"
    assert facts["parameters"] == sum(p.numel() for each in (teacher, second) for p in load(str(each)).parameters())
    tried, _ = on_trial(prepare(config, Given()))
    assert tried["own"] == tried["data"] != tried["half"]  # each member is fed the data's way, and once
    assert json.loads((tmp_path / "run/manifest.json").read_text())["teacher"]["bf16"] == [None, None]
    monkeypatch.chdir(tmp_path)
    assert examine(tmp_path / "run", part="test", curve=False, device=None)["agreement"] > 0.5
    assert run(config.model_copy(update={"teacher": f"ensemble:{teacher}+{second}"}), tmp_path / "run", resume=True)


def test_the_order_of_an_ensemble_and_its_mean_are_another_run(teacher, second):
    def digest(spec):
        return manifest(prepare(configured(method="kd", teacher=spec), Given()))["teacher"]

    one, other = f"ensemble:{teacher}+{second}", f"ensemble:{second}+{teacher}"
    assert digest(one)["sha256"] != digest(other)["sha256"]
    mean = prepare(configured(method="kd", teacher=one.replace("ensemble", "ensemble-probabilities")), Given()).teacher
    assert (mean.body.combine, mean.name) == ("probabilities", "ensemble-probabilities:mlp-32+mlp-16")


def test_one_preprocessing_for_all_members(teacher, second):
    config = configured(method="kd", teacher=f"ensemble:{teacher}+{second}", teacher_normalise="half")
    found = prepare(config, Given()).teacher
    assert [net.mean.item() for net in (found, *members(found))] == [0.0, 0.5, 0.5]


def test_members_compute_each_as_suits_it(monkeypatch):
    monkeypatch.setattr("sparring.recipes.build.fast_bf16", lambda device: True)
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    mine = Network(small())
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = prepare(configured(method="kd"), Given(teacher=[mine, perceptron], student=student))
    assert [each.bf16 for each in members(found.teacher)] == [True, None]
    assert manifest(found)["teacher"]["bf16"] == [True, None]
    assert mine.bf16 is None
    assert found.config.teacher == "python:Network+Sequential"


@pytest.mark.parametrize("method", ["kd", "da", "dist"])
def test_objects_and_names_together(method, teacher, tmp_path):
    body = load(str(teacher)).body
    done = distill([body, teacher], "mlp-16", "digits", method=method, epochs=1, device="cpu", out=tmp_path / "x")
    assert done.metrics["teacher"] == f"python:MLP+{teacher}"
    assert not body.training


def test_names_alone_can_be_found_again(teacher, second, tmp_path):
    done = distill([teacher, str(second)], "mlp-16", "digits", epochs=1, device="cpu", out=tmp_path / "x")
    assert done.metrics["teacher"] == f"ensemble:{teacher}+{second}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"teacher": "ensemble:{0}+mlp-64"}, "the teacher mlp-64 has no weights, so it knows nothing"),
        ({"teacher": "ensemble:{0}+runs/b"}, "nothing at 'runs/b' to take the teacher from"),
        ({"teacher": "{0}+runs/b"}, r"was it moved\? \(several teachers are ensemble:A\+B\)"),
        ({"teacher": "ensemble:{0}+"}, r"lacks a network at one side of a \+"),
        ({"teacher": "{0}", "student": "ensemble:{0}+mlp-16"}, "2 networks are given for the student: only teachers"),
    ],
)
def test_refusals(changes, told, teacher):
    changes = {key: value.format(teacher) for key, value in changes.items()}
    with pytest.raises(UserError, match=told):
        prepare(configured(method="kd", **changes), Given())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([small(), nn.Sequential(nn.Flatten(), nn.Linear(64, 3))], "the teacher Sequential answers with 3 classes"),
        ([small(), 3], "a network must be a torch.nn.Module, but int was given"),
        ([], "0 networks are given for the teacher"),
        ([small(), small(3)], r"the teacher Sequential takes colour images"),
    ],
)
def test_objects_that_do_not_fit(given, told):
    with pytest.raises(UserError, match=told):
        prepare(configured(method="kd"), Given(teacher=given))


def test_a_student_within_the_ensemble():
    net = small()
    with pytest.raises(UserError, match="share weights"):
        prepare(configured(method="kd"), Given(teacher=[small(), net], student=net))


def test_check_looks_at_each(teacher, second):
    found = inspect(configured(method="dkd", teacher=f"ensemble:{teacher}+{second}"), Given())
    assert found.rehearsals["student"].terms.keys() == {"ce", "tckd", "nckd"}
    assert inspect(configured(method="ema"), Given()).teacher is None


def test_a_ramp_that_outlasts_the_training_is_told(teacher, tmp_path):
    done = run(configured(method="dkd", teacher=str(teacher)), tmp_path)
    assert done.metrics["remarks"] == [
        "TCKD and NCKD never had more than 10% of their weights: these grow over objective.warmup=20 epochs, and the "
        "training lasted 2"
    ]


@pytest.mark.parametrize(("batch", "told"), [({"perturb": "mixup"}, "mixed images have several"), ({}, None)])
def test_mixed_labels_are_refused_before_training(batch, told, teacher, tmp_path):
    config = configured(method="dkd", teacher=str(teacher), epochs=1, **batch)
    if told:
        with pytest.raises(UserError, match=told):
            run(config, tmp_path / "x")
        assert not (tmp_path / "x").exists()
    else:
        run(config, tmp_path / "x")


def test_a_batch_of_one_is_refused_before_training(teacher, tmp_path):
    told = {"dist": "correlates the images of a batch, and there is one", "disk": "give --batch-size 2"}
    for method, words in told.items():
        with pytest.raises(UserError, match=words):
            run(configured(method=method, teacher=str(teacher), batch_size=1), tmp_path / "x")


def test_an_ensembles_answers_can_be_kept(teacher, second, tmp_path):
    told = {"teacher": f"ensemble:{teacher}+{second}", "method": "kd", "cache": str(tmp_path / "kept")}
    first, again = (run(configured(**told), tmp_path / name) for name in ("first", "again"))
    assert torch.equal(first.student.body.head.weight, again.student.body.head.weight)
    with pytest.raises(UserError, match="the teacher"):
        prepare(configured(**{**told, "teacher": f"ensemble-probabilities:{teacher}+{second}"}), Given())
    with pytest.raises(UserError, match="ema asks no teacher: leave it out"):
        prepare(configured(**{**told, "method": "ema"}), Given())


def test_a_teacher_whom_nobody_asks_is_told(teacher, tmp_path, capsys):
    run(configured(method="ema", teacher=str(teacher), epochs=1), tmp_path / "x")
    assert f"ema asks no teacher: {teacher} is left out" in capsys.readouterr().err


def test_networks_that_were_trained_at_another_size_are_told_of(teacher, tmp_path, capsys):
    conv = run(configured(student="resnet8", epochs=1), tmp_path / "at-8").out
    assert not other_size(prepare(configured(method="kd", teacher=str(conv)), Given()))
    told = configured(method="kd", teacher=str(conv), size=12, any_teacher=True, epochs=1)
    words = "the teacher resnet8 was trained on images of 8 × 8 pixels, and these have 12 × 12"
    weak = prepare(told.model_copy(update={"any_teacher": False}), Given())
    with pytest.raises(UserError, match=f"{words}. No other preprocessing helps; go on"):
        refuse_weak_teacher(weak, 0.1, 0.1, {"data": 0.1})
    with pytest.raises(UserError, match=f"{words}. It would be right with teacher_normalise=data 90.0%; go on"):
        refuse_weak_teacher(weak, 0.1, 0.1, {"data": 0.9, "none": 0.1})
    assert words in repr(inspect(told, Given()))
    run(told, tmp_path / "at-12")
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("what", [lambda out: run(configured(epochs=1), out), lambda _: inspect(configured(), Given())])
def test_the_callers_own_chance_is_left_as_it_was(what, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    what(tmp_path / "x")
    assert torch.equal(torch.rand(3), expected)


def test_inner_features_are_a_single_teachers(teacher, second):
    with pytest.raises(UserError, match=r"made of several networks, so it has no inner features"):
        prepare(configured(method="fitnets", teacher=f"ensemble:{teacher}+{second}", student="resnet8"), Given())
