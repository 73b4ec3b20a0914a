"""Exits: what they are made of, that they are taps, and that a network up to one of them is a network again."""

import copy
import json
from pathlib import Path

import pytest
import torch
from made import moved, same
from torch import nn

from sparring import nets
from sparring.core import Network, UserError
from sparring.evaluate import macs, parameters, score, score_exits
from sparring.methods.byot import with_exits
from sparring.methods.simkd import SimKD
from sparring.parts import taps
from sparring.recipes.paths import absolute
from sparring.testing import tiny_batches, tiny_setting, tiny_tapped

SHAPE = (3, 16, 16)
MINE = """
import torch
import torch.nn.functional as F
from torch import nn
class Mine(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.one = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.three = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, num_classes)
        self.scale = nn.Parameter(torch.ones(()))
    def forward(self, x):
        x = self.three(self.two(self.one(F.relu(self.stem(x)))))
        return {"logits": self.scale * self.head(x.mean((2, 3))).reshape(-1, self.head.out_features)}
def mine(num_classes): return Mine(num_classes)
"""


def exiting(net: Network, shape=SHAPE, classes=5) -> Network:
    return moved(with_exits(net, shape, classes)).eval()


def built(name="resnet8", classes=5, shape=SHAPE) -> Network:
    return nets.build(name, classes=classes, shape=shape, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def mine(tmp_path: Path) -> Network:
    (tmp_path / "mine.py").write_text(MINE.replace("self.scale * self.head", "self.head"))
    return exiting(nets.load(f"{tmp_path / 'mine.py'}:mine", classes=5, shape=SHAPE))


@pytest.mark.parametrize(
    ("name", "classes", "counted", "work"),
    [
        ("resnet18", 100, 13_243_600 - 232_448, 595.5e6),  # the modules that the code makes and never uses left out
        ("resnet18", 10, 13_058_920 - 232_448, None),
        ("resnet50", 100, 54_113_232 - 3_682_304, 1936.2e6),
        ("resnet50", 10, 53_375_592 - 3_682_304, None),
    ],
)
def test_parameters_and_macs_are_those_of_the_code(name: str, classes: int, counted: int, work: float | None) -> None:
    net = with_exits(built(name, classes, (3, 32, 32)), (3, 32, 32), classes)
    assert parameters(net) == counted
    if work is not None:
        assert macs(net, (3, 32, 32)) == pytest.approx(work, abs=0.05e6)


def test_exits_are_taps_and_the_answer_is_the_bodys_own() -> None:
    plain = moved(built()).eval()
    x = torch.rand(4, *SHAPE)
    wanted = plain(x).logits
    net = with_exits(plain, SHAPE, 5).eval()
    assert nets.exits_of(net) == ["exit1", "exit2"]
    answer = net(x, ("exit1", "exit1:features", "exit2", "exit2:features", "features", "stage1", "map"))
    assert torch.equal(answer.logits, wanted)
    for name in ("exit1", "exit2"):
        features = answer.features[f"{name}:features"]
        assert features.shape == answer.features["features"].shape == (4, 64)
        fc = net.body.get_submodule(f"exits.{name}.fc")
        assert torch.equal(fc(features), answer.features[name])
    assert not net.body.seen  # nothing of a batch outlives it
    assert taps.maps(net, SHAPE) == ["stage1", "stage2", "stage3"]
    assert taps.classifier(net, SHAPE) == "body.fc"


@pytest.mark.parametrize("size", [(3, 15, 15), (3, 17, 30), (3, 8, 8)])
def test_an_exit_brings_its_map_down_to_the_last_ones_size(size: tuple[int, int, int]) -> None:
    net = with_exits(built(shape=size), size, 5)
    last = taps.shapes(net, size, ["map"])["map"][1:]
    for name in nets.exits_of(net):
        map = taps.shapes(net, size, [f"exits.{name}.bottleneck"])[f"exits.{name}.bottleneck"]
        assert all(end - 1 <= side <= end for side, end in zip(map[1:], last, strict=True))


def test_a_network_with_exits_comes_back_bit_for_bit(tmp_path: Path) -> None:
    net = exiting(built())
    path = nets.save(net, tmp_path / "student.safetensors")
    for spec in (str(path), f"resnet8@{path}", str(tmp_path)):
        again = nets.load(spec, classes=5, shape=SHAPE)
        same(net, again)
        assert (again.taps, nets.exits_of(again)) == (net.taps, nets.exits_of(net))
    x = torch.rand(2, *SHAPE)
    assert torch.equal(again.eval()(x, ("exit2",)).features["exit2"], net(x, ("exit2",)).features["exit2"])
    with pytest.raises(UserError, match="are another network's"):
        nets.load(f"vgg8@{path}", classes=5, shape=(3, 32, 32))


@pytest.mark.parametrize("name", ["exit1", "exit2", "deepest"])
def test_a_network_up_to_an_exit_is_a_network(name: str, tmp_path: Path) -> None:
    net = exiting(built())
    (tmp_path / "run").mkdir()
    nets.save(net, tmp_path / "run")
    alone = nets.load(f"{name}:{tmp_path / 'run'}").eval()
    x = torch.rand(3, *SHAPE)
    whole = net(x, ("exit1", "exit2"))
    assert torch.equal(alone(x).logits, whole.features.get(name, whole.logits))
    assert alone.name == nets.origin_of(alone).called == ("resnet8" if name == "deepest" else f"{name}:resnet8")
    later = {"exit1": ("layer2", "layer3", "fc"), "exit2": ("layer3", "fc"), "deepest": ("exit",)}[name]
    assert not [key for key in alone.body.state_dict() if key.removeprefix("body.").startswith(later)]
    assert macs(alone, SHAPE) < macs(net, SHAPE)
    known = taps.known(alone, SHAPE)  # each of them is called, and once
    stages = {"exit1": 1, "exit2": 2, "deepest": 3}[name]
    assert [tap for tap in known if tap.startswith("stage")] == [f"stage{n + 1}" for n in range(stages)]
    assert known["features"] == (64,)
    file = nets.save(alone, tmp_path / "alone.safetensors")
    again = nets.load(str(file))
    same(alone, again)
    assert (again.name, again.taps) == (alone.name, alone.taps)
    assert torch.equal(again.eval()(x).logits, alone(x).logits)
    assert torch.equal(nets.load(f"resnet8@{file}", classes=5, shape=SHAPE).eval()(x).logits, alone(x).logits)


def test_what_comes_later_is_not_computed() -> None:
    net = exiting(built())
    alone, called = nets.only(net, "exit1"), []
    for path, module in alone.body.named_modules():
        module.register_forward_pre_hook(lambda *_, path=path: called.append(path))
    alone(torch.rand(1, *SHAPE))
    assert not [path for path in called if path.startswith(("body.layer2", "body.layer3", "body.pool", "body.fc"))]
    before = parameters(net)
    assert (nets.exits_of(net), parameters(net)) == (["exit1", "exit2"], before)  # it is a copy that was cut


def test_a_network_up_to_an_exit_learns_and_is_copied_and_compiled() -> None:
    alone = nets.only(exiting(built()), "exit2").train()
    x = torch.rand(4, *SHAPE)
    alone(x).logits.sum().backward()
    assert all(weight.grad is not None for weight in alone.parameters())
    twin = copy.deepcopy(alone).eval()
    wanted = alone.eval()(x).logits
    assert torch.equal(twin(x).logits, wanted)
    twin.body.compile(backend="eager", fullgraph=True)
    assert torch.equal(twin(x).logits, wanted)


def test_a_module_of_the_users_own(mine: Network, tmp_path: Path) -> None:
    x = torch.rand(3, *SHAPE)
    whole = mine(x, ("exit1", "exit2", "exit2:features", "features"))
    assert whole.features["exit2:features"].shape == whole.features["features"].shape == (3, 8)
    nets.save(mine, tmp_path / "student.safetensors")
    again = nets.load(f"{tmp_path / 'mine.py'}:mine@{tmp_path}", classes=5, shape=SHAPE)
    same(mine, again)
    for name in ("exit1", "exit2", "deepest"):
        alone = nets.load(f"{name}:{tmp_path}").eval()
        assert torch.equal(alone(x).logits, whole.features.get(name, whole.logits))


def test_a_module_made_in_python_is_loaded_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    space: dict = {}
    exec(MINE, space)
    net = exiting(nets.wrap(space["mine"](5), mean=(0.5,), std=(0.25,)))
    nets.save(net, tmp_path / "student.safetensors")
    again = nets.load(f"exit1:{tmp_path / 'mine.py'}:mine@{tmp_path}", classes=5, shape=SHAPE).eval()
    x = torch.rand(2, *SHAPE)
    assert torch.equal(again(x).logits, net(x, ("exit1",)).features["exit1"])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("exit3:{run}", "resnet8 has no exit 'exit3': it has exit1, exit2 and, its own end, deepest"),
        ("exitt:{run}", "resnet8 has no exit 'exitt'"),
        ("exit1:resnet8", "resnet8 has no exits, so no exit1 can be taken from it"),
        ("deepest:resnet8", "resnet8 has no exits, so no deepest"),
        ("exit1:exit2:{run}", "exit2:resnet8 has no exits"),
    ],
)
def test_a_wrong_exit_is_refused(spec: str, told: str, tmp_path: Path) -> None:
    nets.save(exiting(built()), tmp_path / "student.safetensors")
    with pytest.raises(UserError, match=told):
        nets.load(spec.format(run=tmp_path), classes=5, shape=SHAPE)


def test_a_file_of_ones_own_may_be_called_as_an_exit_is(tmp_path: Path) -> None:
    (tmp_path / "exit_nets.py").write_text(MINE)
    assert nets.exit_asked("exit_nets.py:mine") is None
    assert nets.load(f"{tmp_path / 'exit_nets.py'}:mine", classes=5, shape=SHAPE)


def test_what_is_dressed_already_is_not_dressed_again(tmp_path: Path) -> None:
    net = exiting(built())
    for dressed, kind in ((net, "exits"), (nets.only(net, "exit2"), "one exit")):
        hint = SimKD(tiny_setting(moved(built("resnet14", shape=(3, 8, 8))), dressed))
        with pytest.raises(UserError, match=rf"was dressed by an earlier training \({kind}\)"):
            hint.dress(dressed)
    with pytest.raises(UserError, match="exits are put into a network as it was made"):
        with_exits(nets.only(net, "exit2"), SHAPE, 5)
    path = nets.save(net, tmp_path / "student.safetensors")
    told = json.loads(nets.origin_of(nets.load(str(path))).to_json())
    told["dress"]["kind"] = "a hat"
    nets.weights.write(net.body, path, {"network": json.dumps(told)})
    with pytest.raises(UserError, match="a network with a hat, which is unknown here"):
        nets.load(str(path))


def test_paths_behind_an_exit_are_anchored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    nets.save(exiting(built()), tmp_path / "run" / "student.safetensors")
    assert absolute("exit1:run") == f"exit1:{tmp_path / 'run'}"
    assert absolute("ensemble:exit1:run+deepest:run") == f"ensemble:exit1:{tmp_path / 'run'}+deepest:{tmp_path / 'run'}"
    assert nets.team("ensemble:exit1:run+deepest:run") == (["exit1:run", "deepest:run"], "logits")


def test_each_exit_and_their_mean_are_scored() -> None:
    net = with_exits(tiny_tapped(seed=2), (3, 8, 8), 5)
    batches = tiny_batches(3)
    found = score_exits(net, batches, ["exit1"], "deepest")
    assert list(found) == ["exit1", "deepest", "ensemble"]
    assert found["deepest"] == score(net, batches)
    assert found["exit1"] == score(nets.only(net, "exit1"), batches)
    x, y = torch.cat([b.x for b in batches]), torch.cat([b.y for b in batches])
    answer = net.eval()(x, ("exit1",))
    mean = (answer.logits + answer.features["exit1"]) / 2
    assert found["ensemble"]["accuracy"] == pytest.approx(float((mean.argmax(1) == y).float().mean()))


def test_a_layer_that_is_only_read_is_kept() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
            self.unused = nn.Linear(4, 4)  # its weight is read in the forward, and it is never called
            self.two = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU())
            self.fc = nn.Linear(4, 5)

        def forward(self, x):
            x = self.one(x * self.unused.weight.sum())
            return self.fc(self.two(x).mean((2, 3)))

    net = exiting(nets.wrap(Odd(), mean=(0.5,), std=(0.25,)))
    x = torch.rand(2, *SHAPE)
    assert torch.equal(nets.only(net, "exit1")(x).logits, net(x, ("exit1",)).features["exit1"])
