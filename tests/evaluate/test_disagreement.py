"""The disagreement curve: its start, its direction, its closed forms and its files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from sparring.core import Batch, Network, UserError
from sparring.evaluate import score
from sparring.evaluate.disagreement import curve, examples, save_curve, save_examples

STD = (0.25, 0.5, 0.2)


def linear(weight) -> Network:
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return Network(nn.Sequential(nn.Flatten(), layer))


def conv(seed: int, classes: int = 10) -> Network:
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, classes)
    )
    return Network(body, name=f"conv{seed}")


def images(n: int = 20, size: int = 8) -> list[Batch]:
    g = torch.Generator().manual_seed(5)
    x, y = torch.rand(n, 3, 8, 8, generator=g), torch.randint(10, (n,), generator=g)
    return [Batch(a, b, torch.arange(len(b))) for a, b in zip(x.split(size), y.split(size), strict=True)]


def test_linear_toy_of_the_sheet():
    """Worked example (b): one step of alpha 0.01778 takes the disagreement from 0.253099174 to 0.256012837."""
    student, teacher = linear([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), linear([[2.0, 0.0], [0.0, -1.0], [0.5, 1.0]])
    x = torch.tensor([0.5, -1.0]).view(1, 2, 1, 1)
    rows = curve(
        teacher, {"s": student}, [Batch(x, torch.zeros(1).long(), torch.zeros(1).long())], std=(1, 1), steps=(0, 1)
    )
    assert rows[0].mse == pytest.approx(0.253099174, abs=1e-6)
    assert rows[1].mse == pytest.approx(0.256012837, abs=1e-6)
    assert rows[1].moved == pytest.approx(0.01778, abs=1e-6)


def test_fixture_a_of_the_sheet():
    """Worked example (a): rows that are already normalised differ by 0.0648148148 on average."""
    s = [[0.285714, 0.571429, 0.142857], [0, -0.5, 0.5]]
    t = [[0.666667, 0.333333, 0], [0.166667, -0.166667, 0.666667]]
    student, teacher = (linear(torch.tensor(z).T.tolist()) for z in (s, t))
    x = torch.eye(2).view(2, 2, 1, 1)
    (row,) = curve(teacher, {"s": student}, [Batch(x, torch.zeros(2).long(), torch.arange(2))], std=(1,), steps=(0,))
    assert row.mse == pytest.approx(0.0648148148, abs=1e-6)
    assert row.n == 2


def test_step_zero_is_the_clean_set():
    teacher, student = conv(0), conv(1)
    row = curve(teacher, {"one": student}, images(), std=STD, steps=(0, 2))[0]
    assert row.steps == 0
    assert row.moved == 0
    assert row.teacher_accuracy == pytest.approx(score(teacher, images())["accuracy"])
    assert row.student_accuracy == pytest.approx(score(student, images())["accuracy"])


def test_one_adam_for_the_whole_way_in_standard_deviations():
    """Stopping on the way changes nothing, and torch's own Adam on standardised pixels goes the same way."""
    teacher, student = conv(0).eval(), conv(1).eval()
    batch = images(8)[0]
    stopped = curve(teacher, {"s": student}, [batch], std=STD, steps=(0, 1, 2, 5))
    straight = curve(teacher, {"s": student}, [batch], std=STD, steps=(5,))
    assert stopped[-1] == straight[0]
    assert [row.mse for row in stopped] == sorted(row.mse for row in stopped)

    sigma = torch.tensor(STD).view(-1, 1, 1)
    z = (batch.x / sigma).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.01778)
    for _ in range(5):
        optimiser.zero_grad()
        s, t = (nn.functional.normalize(net(z * sigma).logits, p=1, dim=1) for net in (student, teacher))
        (-nn.functional.mse_loss(s, t)).backward()
        optimiser.step()
    found = nn.functional.normalize(student(z * sigma).logits, p=1, dim=1)
    wanted = nn.functional.normalize(teacher(z * sigma).logits, p=1, dim=1)
    assert straight[0].mse == pytest.approx(nn.functional.mse_loss(found, wanted).item(), rel=1e-3)


def test_leaves_no_trace():
    teacher, student = conv(0).eval(), conv(1).train()
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in (teacher, student)]
    batch = images(8)[0]
    kept = batch.x.clone()
    curve(teacher, {"s": student}, [batch], std=STD, steps=(0, 3))
    assert torch.equal(batch.x, kept)
    assert student.training
    assert not teacher.training
    for net, was in zip((teacher, student), before, strict=True):
        assert all(torch.equal(v, was[k]) for k, v in net.state_dict().items())
        assert all(p.grad is None for p in net.parameters())


def test_files(tmp_path):
    teacher, student = conv(0), conv(1)
    rows = curve(teacher, {"a": student, "b": conv(2)}, images(), std=STD, steps=(0, 1))
    save_curve(rows, tmp_path / "disagreement.json")
    saved = json.loads((tmp_path / "disagreement.json").read_text())
    assert [(row["student"], row["steps"]) for row in saved["rows"]] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert saved["alpha"] == 0.01778

    found = examples(teacher, student, images()[0], std=STD, steps=(0, 1), count=3)
    path = tmp_path / "disagreement_examples.npz"
    save_examples(found, path, classes=[f"c{k}" for k in range(10)])
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["images"].shape == (3, 2, 8, 8, 3)
        assert arrays["images"].dtype == np.uint8
        assert arrays["teacher_top3"].shape == (3, 2, 3)
        assert arrays["mse"].shape == (3, 2)
        assert arrays["classes"][3] == "c3"
        assert arrays["student_top3"][0, 0, 0] == student.eval()(images()[0].x[:1]).logits.argmax()
        assert np.allclose(arrays["images"][:, 0] / 255, images()[0].x[:3].permute(0, 2, 3, 1), atol=1 / 255)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disagreement.json", "disagreement_examples.npz"]


def test_refuses_what_cannot_be_meant():
    with pytest.raises(UserError, match="no images"):
        curve(conv(0), {"s": conv(1)}, [], std=STD)
    with pytest.raises(UserError, match="std has 2 values for images of 3 channels"):
        curve(conv(0), {"s": conv(1)}, images(), std=(1, 1))
    with pytest.raises(UserError, match="0 or above"):
        curve(conv(0), {"s": conv(1)}, images(), std=STD, steps=(-1, 2))
