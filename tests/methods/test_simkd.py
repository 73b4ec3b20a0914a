"""SimKD's student: what it is made of, which teachers it can be made for, and that it can be a student once more."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from sparring import nets
from sparring.core import Network, Setting, UserError
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.simkd import SimKD, teachers_classifier
from sparring.nets.reused import Reused
from sparring.parts import taps
from sparring.parts.bout import Bout
from sparring.testing import tiny_batches, tiny_setting, tiny_tapped

SHAPE, WIDE = (3, 8, 8), (1, 32, 48)


def net(name: str, seed: int, side: int = 8) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nets.build(name, classes=5, shape=(3, side, side), mean=(0.5,) * 3, std=(0.25,) * 3)


def made(student: Network, teacher: Network, shape: tuple[int, int, int] = SHAPE, factor: int = 2) -> Network:
    """`student` dressed for `teacher`."""
    setting = Setting(5, shape, (0.5,) * shape[0], (0.25,) * shape[0], teacher, student)
    dressed = SimKD(setting, factor).dress(student)
    assert isinstance(dressed, Network)
    return dressed


def reloaded(student: Network, folder: Path) -> Network:
    return nets.load(str(nets.save(student, folder / "student.safetensors")))


def test_a_dressed_student_is_a_student_again(tmp_path: Path) -> None:
    teacher = net("resnet14", 2)
    first = made(net("resnet8", 1), teacher)
    again = reloaded(first, tmp_path)
    setting = Setting(5, SHAPE, (0.5,) * 3, (0.25,) * 3, teacher, again)
    for name in ("simkd", "fitnets", "disk"):
        slots = METHODS[name]
        objective = OBJECTIVE[slots.objective.name](setting, **slots.objective.options)
        bout = Bout(again, perturb=PERTURB["clean"](setting), targets=TARGETS["teacher"](setting), objective=objective)
        assert bout.student is again
        assert bout.student_loss(tiny_batches(1)[0]).total().isfinite()
    assert again.taps == first.taps


def test_what_a_dressed_network_shows_is_what_its_classifier_sees(tmp_path: Path) -> None:
    again = reloaded(made(net("resnet8", 1), net("resnet14", 2)), tmp_path)
    assert taps.stages(again, SHAPE) == ["stage1", "stage2", "stage3"]
    answer = again.eval()(torch.rand(2, *SHAPE), ("projected", "map", "features", "stage3"))
    seen = answer.features
    assert seen["map"] is seen["projected"]
    torch.testing.assert_close(seen["features"], seen["map"].mean((2, 3)))
    assert seen["stage3"].shape[1:] == (64, 2, 2)
    own = teachers_classifier(again, SHAPE)  # so it can teach by SimKD, too
    assert own is again.body.get_submodule("classifier")


def test_a_network_whose_stages_were_found_keeps_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def mine(num_classes):\n"
        "    layers = [nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU()]\n"
        "    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_classes))\n"
    )
    student = nets.load(f"{file}:mine", classes=5, shape=SHAPE)
    first = made(student, net("resnet8", 2))
    again = reloaded(first, tmp_path)
    assert taps.stages(again, SHAPE) == ["stage1", "stage2"]
    assert again.taps == first.taps


@pytest.mark.parametrize(
    ("teacher", "factor", "told"),
    [
        (net("resnet14", 3), 2, "which is not this teacher's"),
        (net("resnet8x4", 2), 2, "which is not this teacher's"),
        (net("resnet14", 2), 4, "give objective.factor=2"),
    ],
)
def test_another_teacher_or_projector_is_refused(teacher: Network, factor: int, told: str) -> None:
    student = made(net("resnet8", 1), net("resnet14", 2))
    with pytest.raises(UserError, match=told):
        made(student, teacher, factor=factor)


@pytest.mark.parametrize(
    ("name", "channels", "projector", "left_out"),
    [("shufflenetv2", 464, 240_640, ("last", "linear")), ("mobilenetv2x2", 320, 222_208, ("conv2", "classifier"))],
)
def test_the_last_stage_is_taken_and_what_follows_it_left_out(
    name: str, channels: int, projector: int, left_out: tuple[str, ...], tmp_path: Path
) -> None:
    student = net(name, 1, side=32)
    before = {key: value.clone() for key, value in student.body.state_dict().items()}
    dressed = made(student, net("resnet8x4", 2, side=32), (3, 32, 32))
    part = dressed.body.get_submodule("projector")
    assert part[0].in_channels == channels
    assert sum(p.numel() for p in part.parameters()) == projector
    kept = dressed.body.get_submodule("body").state_dict()
    assert before.keys() - kept.keys() == {key for key in before if key.startswith(left_out)}
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(reloaded(dressed, tmp_path).eval()(x).logits, dressed.eval()(x).logits)


def small(*strides: int, head: int = 6) -> Network:
    """A network for WIDE images, whose last map has the sides of these strides."""
    layers: list[nn.Module] = []
    for at, stride in enumerate(strides):
        layers += [nn.Conv2d(4 if at else 1, 4, 3, stride, 1), nn.ReLU()]
    layers += [nn.Conv2d(4, head, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, 5)]
    return Network(nn.Sequential(*layers))


@pytest.mark.parametrize(("student", "teacher"), [((2, 2), (2, 2, 2)), ((2, 2, 2), (2, 2)), ((2,), (2, 2, 2, 2))])
@pytest.mark.parametrize("name", ["simkd", "fitnets"])
def test_images_that_are_no_squares(name: str, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
    learner, master = small(*student), small(*teacher, head=8)
    setting = Setting(5, WIDE, (0.5,), (0.25,), master, learner)
    options = {"layer": f"stage{len(student)}", "teacher_layer": f"stage{len(teacher)}"} if name == "fitnets" else {}
    objective = OBJECTIVE[name](setting, **options)
    bout = Bout(learner, perturb=PERTURB["clean"](setting), targets=TARGETS["teacher"](setting), objective=objective)
    x = torch.rand(2, *WIDE)
    own, wanted = (2 ** -len(s) for s in (student, teacher))
    sides = [int(side * min(own, wanted)) for side in WIDE[1:]]
    if name == "simkd":
        assert list(bout.student(x, ("projected",)).features["projected"].shape[2:]) == sides
    else:
        seen = objective.hint.adapter(bout.student(x, objective.student_taps).features[objective.student_taps[0]])
        assert list(seen.shape[2:]) == [int(side * (wanted if 2 * own >= wanted else own)) for side in WIDE[1:]]


def headed(*head: nn.Module, width: int = 6) -> Network:
    """A teacher of two stages with some head behind its last map."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        features = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, width, 3, 2, 1), nn.ReLU())
        return Network(nn.Sequential(features, *head)).eval()


POOL = (nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("head", [(*POOL, nn.Linear(6, 5)), (*POOL, nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 5)))])
def test_the_teachers_own_map_gives_the_teachers_logits(head: tuple[nn.Module, ...]) -> None:
    teacher = headed(*head)
    hint = SimKD(tiny_setting(teacher, tiny_tapped()))
    x = torch.rand(4, *SHAPE)
    wanted = teacher(x).logits
    classifier, path = copy.deepcopy(hint.held[0]), teacher.taps["map"]
    dressed = Reused(copy.deepcopy(teacher.body), path, nn.Identity(), classifier, (2, 2), {}).eval()
    torch.testing.assert_close(dressed(x), wanted)


@pytest.mark.parametrize(
    "head",
    [
        (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 5)),
        (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 5)),
        (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_a_head_that_is_more_than_mean_and_linear_is_refused(head: tuple[nn.Module, ...], scale: float) -> None:
    teacher = headed(*copy.deepcopy(head))
    with torch.no_grad():
        for weight in teacher.body[-1].parameters():
            weight.mul_(scale)
    with pytest.raises(UserError, match="does not see the mean over its last feature map"):
        SimKD(tiny_setting(teacher, tiny_tapped()))
