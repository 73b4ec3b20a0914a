"""Feature methods: their losses and layers against the sheets, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from examples import near, net, rows
from torch import nn

from sparring import nets
from sparring.core import Network, Setting, UserError
from sparring.methods import OBJECTIVE, PERTURB
from sparring.methods.attention import attention_map
from sparring.methods.fitnets import adapter
from sparring.methods.semckd import weighed
from sparring.methods.simkd import SimKD
from sparring.nets.reused import projector
from sparring.parts.bout import Bout
from sparring.parts.hint import squares
from sparring.testing import tiny_net, tiny_setting, tiny_tapped


def test_attention_transfer() -> None:
    f_s = torch.tensor([[[[1.0, 2], [0, 1]], [[0, 1], [1, 1]]]], dtype=torch.float64)
    f_t = torch.tensor([[[[2.0, 0], [1, 1]], [[1, 1], [0, 0]]]], dtype=torch.float64)
    near(attention_map(f_s), 0.179605, 0.898027, 0.179605, 0.359211)
    near(attention_map(f_t), 0.944911, 0.188982, 0.188982, 0.188982)
    near(squares(attention_map(f_s), attention_map(f_t)).mean(), 0.279375624)


def test_semckds_weighing() -> None:
    a, distances = rows([0.7, 0.3], [0.4, 0.6]).unsqueeze(1), rows([0.2, 0.5], [0.1, 0.3]).unsqueeze(1)
    near(weighed(a, distances).mean(), 0.255)


@pytest.mark.parametrize(
    ("student", "teacher", "kind", "seen"),
    [
        ((8, 16, 16), (16, 8, 8), nn.Conv2d, (16, 8, 8)),
        ((8, 8, 8), (16, 16, 16), nn.ConvTranspose2d, (16, 16, 16)),
        ((8, 8, 8), (16, 8, 8), nn.Conv2d, (16, 8, 8)),
        ((8, 8, 8), (16, 6, 6), nn.Conv2d, (16, 6, 6)),
        ((8, 4, 4), (16, 14, 14), nn.Conv2d, (16, 4, 4)),
    ],
)
def test_fitnets_adapter_meets_the_teachers_map(
    student: tuple[int, ...], teacher: tuple[int, ...], kind: type[nn.Module], seen: tuple[int, ...]
) -> None:
    net = adapter(student, teacher)
    assert isinstance(net[0], kind)
    assert tuple(net(torch.zeros(2, *student)).shape[1:]) == seen


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [(256, 256, (214_016, 70_400, 26_240)), (128, 256, (197_632, 62_208, 22_144)), (64, 128, (49_664, 15_744, 5_696))],
)
def test_simkds_projector_is_the_papers(before: int, after: int, counts: tuple[int, ...]) -> None:
    found = [sum(p.numel() for p in projector(before, after, factor).parameters()) for factor in (2, 4, 8)]
    assert found == list(counts)


def test_simkd_predicts_through_the_teachers_classifier_and_is_counted_with_it(tmp_path: Path) -> None:
    student, teacher = net("resnet8", 1), net("resnet14", 2)
    objective = SimKD(Setting(5, (3, 8, 8), (0.5,) * 3, (0.25,) * 3, teacher, student))
    before = student.body.get_submodule("fc").weight.clone()
    dressed = objective.dress(student)
    x = torch.rand(4, 3, 8, 8)
    dressed.eval()
    answer = dressed(x, ("projected",))
    own = teacher.body.get_submodule("fc")
    torch.testing.assert_close(answer.logits, own(answer.features["projected"].mean((2, 3))))
    assert not any(torch.equal(before, p) for p in dressed.parameters())
    assert not dressed.body.classifier.weight.requires_grad
    path = nets.save(dressed, tmp_path / "student.safetensors")
    again = nets.load(f"resnet8@{path}")
    assert torch.equal(again.eval()(x).logits, answer.logits)
    assert objective.about()[1] == "left out of the student, as what follows its last stage: fc"
    assert objective.dress(again) is again
    assert len(objective.about()) == 1


def test_a_teacher_whose_classifier_sees_more_than_the_mean_is_refused() -> None:
    with pytest.raises(UserError, match="does not see the mean over its last feature map"):
        SimKD(tiny_setting(with_map(tiny_net(seed=1)), tiny_tapped()))


def with_map(net: Network) -> Network:
    net.taps = {"map": "2", "features": "4"}
    return net


@pytest.mark.parametrize("name", ["disk", "fitnets", "attention", "semckd", "simkd"])
def test_without_a_teacher_there_are_no_features(name: str) -> None:
    with pytest.raises(UserError, match="reads the inner features of a teacher"):
        OBJECTIVE[name](tiny_setting(None, tiny_tapped()))


def test_targets_that_have_no_features_are_refused() -> None:
    student, teacher = tiny_tapped(), tiny_tapped(seed=1)
    objective = OBJECTIVE["fitnets"](tiny_setting(teacher, student))
    with pytest.raises(UserError, match="these targets have none"):
        Bout(
            student,
            perturb=PERTURB["clean"](tiny_setting(teacher)),
            targets=lambda x, b: teacher(x),
            objective=objective,
        )


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("disk", {"delta": -1.0}, "delta is -1: give 0 or more"),
        ("semckd", {"soft": -1.0}, "soft is -1"),
        ("dkd", {"alpha": -5.0}, "alpha -5 .*: give weights of 0 or more"),
        ("dist", {"weight": -5.0}, "weight -5"),
    ],
)
def test_weights_below_nothing_are_refused(name: str, options: Mapping[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OBJECTIVE[name](tiny_setting(tiny_tapped(), tiny_tapped()), **options)


def test_what_two_classes_cannot_teach_is_told() -> None:
    setting = replace(tiny_setting(tiny_tapped(), tiny_tapped()), classes=2)
    with pytest.raises(ValueError, match="choose kd or dkd"):
        OBJECTIVE["dist"](setting)
    with pytest.raises(ValueError, match="leave standardise out"):
        OBJECTIVE["kd"](setting, standardise=True)
    with pytest.raises(ValueError, match="leave standardise out"):
        OBJECTIVE["dkd"](setting, standardise=True)
    assert "NCKD, among those, teaches nothing" in OBJECTIVE["dkd"](setting).about()[0]
