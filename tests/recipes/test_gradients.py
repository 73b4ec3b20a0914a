"""What a run writes down of its student's gradients: the right numbers of the right epoch, and nothing else changed."""

import json
import os
import random
import signal
import time

import pytest
import torch
from runs import assert_same, child, configured, ended, resumed
from safetensors.torch import load_file
from torch import nn

from sparring import report
from sparring.errors import UserError
from sparring.launch.jobs import grid, run_all
from sparring.parts.layers import layers
from sparring.recipes import config as schema
from sparring.recipes.autoencoder import DEFAULTS, train_augmentor
from sparring.recipes.build import Given, prepare
from sparring.recipes.check import inspect
from sparring.recipes.gradients import FILE, Gradients
from sparring.recipes.run import run, training_stream
from sparring.report.gradients import gradients as drawn


class Tiny(nn.Module):
    """Two convolutions and a linear layer, one of each stage."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.GELU())
        self.layer2 = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.GELU())
        self.fc = nn.Linear(6, 10)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(self.conv1(x))).mean((2, 3)))


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return Given(student=Tiny())


def left(out):
    return json.loads((out / FILE).read_text())


def small(**changes):
    """A configuration for `Tiny`, in float32, so that it can be done again by hand."""
    start = {"student": None, "precision": "float32", "channels_last": False, "epochs": 2, "batch_size": 128}
    return configured(**{key: value for key, value in (start | changes).items() if value is not None})


def by_hand(config, given, epoch):
    """(steps, loss, norm, mean |gradient| by layer) over an epoch, trained with autograd and SGD by hand."""
    prepared = prepare(config, given)
    net, stream = prepared.student.body.train(), training_stream(prepared)
    weights, optim = dict(net.named_parameters()), config.optim
    speed = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    seen, batches = [], iter(stream(0))
    for step in range(epoch * stream.steps_per_epoch):
        batch = next(batches)
        loss = nn.functional.cross_entropy(prepared.student(batch.x).logits, batch.y)
        gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
        if step // stream.steps_per_epoch == epoch - 1:
            norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).double().norm()
            means = {name: gradient.double().abs().mean() for name, gradient in gradients.items()}
            seen.append({"loss": loss.detach(), "norm": norm, **means})
        norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
        scale = min(1.0, float(optim.clip / norm)) if optim.clip else 1.0
        with torch.no_grad():
            for name, weight in weights.items():
                speed[name] = optim.momentum * speed[name] + scale * gradients[name] + optim.weight_decay * weight
                weight -= optim.lr * speed[name]
    return len(seen), {name: sum(float(each[name]) for each in seen) / len(seen) for name in seen[0]}


@pytest.mark.parametrize("changes", [{}, {"optim.clip": 0.1}])
def test_the_numbers_are_those_of_autograd(changes, tiny, tmp_path):
    config = small(gradients=2, **{"optim.schedule": "constant", **changes})
    run(config, tmp_path / "run", given=tiny)
    found = left(tmp_path / "run")
    steps, expected = by_hand(config, tiny, 2)
    assert (found["epoch"], found["steps"]) == (2, steps)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert found["norm"] == pytest.approx(expected["norm"], rel=1e-3)
    assert [(each["name"], each["stage"]) for each in found["layers"]] == [
        ("conv1", "stem"),
        ("layer1.0", "stage1"),
        ("layer2.0", "stage2"),
        ("fc", "head"),
    ]
    for layer in found["layers"]:
        assert layer["mean"] == pytest.approx(expected[f"{layer['name']}.weight"], rel=1e-3)
    assert found["layers"][2]["shape"] == [6, 4, 3, 3]
    assert list(found["stages"]) == ["stem", "stage1", "stage2", "head"]
    assert found["stages"]["stage1"] == pytest.approx(found["layers"][1]["mean"])


def test_stages_weigh_layers_by_their_weights():
    student = prepare(configured(student="resnet8"), Given()).student
    seen = Gradients(1, student, layers(student, (1, 8, 8)))
    seen.sums, seen.steps = torch.arange(len(seen.sums), dtype=torch.float64), 2
    told = seen.told()
    assert (told["loss"], told["norm"], told["layers"][0]["mean"]) == (0.0, 0.5, 1.0)
    sizes = {each["name"]: torch.Size(each["shape"]).numel() for each in told["layers"]}
    inside = [each for each in told["layers"] if each["stage"] == "stage2"]
    assert len(inside) == 3
    whole = sum(sizes[each["name"]] for each in inside)
    assert told["stages"]["stage2"] == pytest.approx(sum(sizes[each["name"]] * each["mean"] for each in inside) / whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "kd", "student": "resnet8"},
        {"method": "simkd", "student": "resnet8", "teacher": "conv"},
        {"method": "da", "student": "resnet8", "precision": "bf16", "channels_last": True},
        {"method": "hard-affine", "perturb.l_max": 50, "perturb.patience": 2, "perturb.cap": 5, "perturb.rest": 5},
        {"method": "disk", "objective.inner": 0.5},
    ],
    ids=["kd", "a frozen classifier", "bf16, channels last", "hard", "disk"],
)
def test_the_training_is_the_same(changes, teacher, tmp_path):
    if changes.get("teacher") == "conv":
        run(configured(student="resnet8", epochs=1, **{"optim.lr": 0.1}), tmp_path / "conv")
        changes = changes | {"teacher": str(tmp_path / "conv"), "any_teacher": True}
    config = configured(**{"teacher": str(teacher), "epochs": 2, **changes})
    run(config, tmp_path / "plain")
    run(config.model_copy(update={"gradients": 2}), tmp_path / "seen")
    assert_same(tmp_path / "seen", tmp_path / "plain")
    assert not (tmp_path / "plain" / FILE).exists()
    found = left(tmp_path / "seen")
    assert found["steps"] == json.loads((tmp_path / "seen" / "result.json").read_text())["steps"] / 2
    assert all(0 < layer["mean"] < 10 for layer in found["layers"])
    assert "classifier" not in [layer["name"] for layer in found["layers"]]  # SimKD's, which is the teacher's


@pytest.mark.parametrize("method", ["da", "hard-affine"])
def test_killed_within_that_epoch_it_leaves_the_same_file(method, teacher, tmp_path):
    hard = {"perturb.l_max": 50, "perturb.patience": 2, "perturb.cap": 15, "perturb.rest": 10}
    changes = {"method": method, "student": "resnet8", **(hard if method != "da" else {})}
    config = configured(teacher=str(teacher), epochs=2, gradients=1, **changes)
    run(config, tmp_path / "whole")
    out, chance, kills, within = tmp_path / "run", random.Random(method), 0, 0
    for _ in range(30):
        number, until = child(lambda: resumed(config, out), tmp_path / "log"), time.time() + 60
        if kills < 3:
            before = max(out.glob("checkpoints/step-*"), default=None)
            while time.time() < until and max(out.glob("checkpoints/step-*"), default=None) == before:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.1))
            os.kill(number, signal.SIGKILL)
        code = ended(number)
        kills += code == -signal.SIGKILL
        newest = max(out.glob("checkpoints/step-*"), default=None)
        within += newest is not None and 0 < torch.load(newest)["observers"]["student"]["steps"] < 22
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert kills >= 1
    assert within >= 1
    assert_same(out, tmp_path / "whole")
    assert (out / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


def test_an_epoch_that_never_comes_is_refused(tmp_path):
    told = "gradients=3 is an epoch that does not come, for the training has 2: give gradients=1 to 2, or more --epochs"
    with pytest.raises(UserError, match=told):
        run(configured(gradients=3), tmp_path / "run")
    with pytest.raises(UserError, match=told):
        inspect(configured(gradients=3), Given())
    assert not (tmp_path / "run").exists()
    for wrong in (0, -1, "two"):
        with pytest.raises(UserError, match="gradients="):
            configured(gradients=wrong)


def test_a_student_without_layers_is_refused(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(10))

        def forward(self, x):
            return x.flatten(1)[:, :10] * self.scale

    with pytest.raises(UserError, match="Scaled has none that trains: leave gradients out"):
        run(small(gradients=1), tmp_path / "run", given=Given(student=Scaled()))


def test_an_autoencoder_takes_none(tmp_path):
    config = schema.merged(DEFAULTS, {"student": "vdvae-small", "data": "digits", "gradients": 1})
    with pytest.raises(UserError, match="gradients was given, and an autoencoder is trained without it"):
        train_augmentor(config, tmp_path / "vae")


def test_a_resumed_run_keeps_it(tmp_path):
    config = configured(gradients=1)
    run(config, tmp_path / "run")
    for other in (2, None):
        with pytest.raises(UserError, match=f"holds a run with other arguments .gradients: 1 → {other}"):
            run(config.model_copy(update={"gradients": other}), tmp_path / "run", resume=True)
    run(config, tmp_path / "run", resume=True)
    assert schema.differences(config, configured(gradients=2)) == []  # the same is computed


def test_a_baseline_has_it_too(teacher, tmp_path):
    jobs = grid(configured(teacher=str(teacher), method="kd", gradients=2), tmp_path, methods=["kd", "ce"], seeds=1)
    run_all(jobs, Given(), resume=False)
    assert [left(job.out)["epoch"] for job in jobs] == [2, 2]
    assert left(jobs[0].out)["loss"] != left(jobs[1].out)["loss"]


def test_a_training_that_ends_before_says_so(tmp_path, capsys):
    plateau = {"optim.schedule": "plateau", "optim.patience": 1, "optim.decays": 1, "optim.lr": 1e-9}
    run(configured(epochs=30, gradients=30, **plateau), tmp_path / "run")
    assert f"has no {FILE}: training ended before epoch 30, whose gradients were asked for" in capsys.readouterr().err
    assert not (tmp_path / "run" / FILE).exists()


@pytest.mark.slow
def test_compiled_too(tmp_path):
    config = configured(student="resnet8", precision="float32", gradients=1, epochs=1)
    run(config, tmp_path / "plain")
    run(config.model_copy(update={"compile": True}), tmp_path / "compiled")
    plain, compiled = left(tmp_path / "plain"), left(tmp_path / "compiled")
    assert compiled["steps"] == plain["steps"]
    for one, other in zip(plain["layers"], compiled["layers"], strict=True):
        assert (one["name"], one["stage"]) == (other["name"], other["stage"])
        assert one["mean"] == pytest.approx(other["mean"], rel=0.05)
    here, there = (load_file(tmp_path / name / "student.safetensors") for name in ("plain", "compiled"))
    assert here.keys() == there.keys()


def test_a_student_with_exits_is_set_beside_one_without(tmp_path):
    for method in ("ce", "byot"):
        run(configured(method=method, student="small-cnn", epochs=1, gradients=1), tmp_path / method)
    plain, dressed = (left(tmp_path / method)["layers"] for method in ("ce", "byot"))
    own = [row for row in dressed if row["stage"] != "added"]
    assert [(row["name"], row["stage"]) for row in own] == [(row["name"], row["stage"]) for row in plain]
    assert len(own) < len(dressed)
    (group,) = report.groups(report.runs([tmp_path]))
    (found,) = drawn(group)
    assert [row[0].text for row in found.raw.rows] == ["ce", "byot"]
    assert "added" not in found.raw.head
    told = f"byot put {len(dressed) - len(own)} layers into its student that are left out here."
    assert told in found.caveats
