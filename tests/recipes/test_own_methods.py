"""Methods and networks of a user's own file: what they may ask for, and which slips are told before they cost a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from runs import configured

from sparring.errors import UserError
from sparring.files import read_json
from sparring.recipes.build import Given, prepare
from sparring.recipes.examine import examine
from sparring.recipes.manifest import files
from sparring.recipes.run import run
from sparring.recipes.slots import resolved
from sparring.verbs import explained, train

OWN = '''
import torch
import torch.nn.functional as F
from torch import nn

from sparring.core import Player, term
from sparring.methods import Slot, Slots
from sparring.parts.hint import Hint
from sparring.parts.part import Part


def s(name):
    return Slots(name, targets=Slot("teacher"), objective=Slot(f"{__file__}:{name}"))


class Rows(Part):
    """The last features, and their shape on the first batch."""

    student_taps = target_taps = ("features",)

    def __init__(self, setting, *, weight: float = 1.0):
        super().__init__()
        self.weight, self.shape = weight, None

    def forward(self, output, target, batch):
        self.shape = tuple(output.features["features"].shape)
        apart = (output.features["features"].float().mean() - target.features["features"].float().mean()).square()
        return term("ce", F.cross_entropy(output.logits, batch.labels)) + self.weight * term("apart", apart)


class Misspelt(Rows):
    student_taps = ("featurs",)


class Unmoved(Rows):
    def __init__(self, setting, *, weight: float = 1.0):
        super().__init__(setting, weight=weight)
        self.adapter = nn.Linear(2, 2)


class Shared(Unmoved):
    @property
    def companion(self):
        return self.adapter

    def players(self, bout):
        return {"other": Player(self, bout.student_loss)}


class Misnamed(Unmoved):
    def players(self, bout):
        return {"other": Player(self.adapter, lambda batch: term("x", self.adapter(torch.ones(1, 2)).sum()))}

    @property
    def turns(self):
        return lambda clock: ("othre",) if clock.batch else ("student",)


class NoSuper(Part):
    def __init__(self, setting):
        self.adapter = nn.Linear(2, 2)


class Mean(Hint):
    weight = 2.0
    student_taps = target_taps = ("features",)

    def __init__(self, setting, power: float = 2.0):
        super().__init__()
        self.power = power

    def forward(self, output, target):
        apart = output.features["features"].float().mean(1) - target.features["features"].float().mean(1)
        return apart.abs() ** self.power

    def about(self):
        return [f"means, to the power {self.power:g}"]


class Stacked(nn.Module):
    """Its submodule called features is its convolutions, and not what its classifier sees."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2))
        self.fc = nn.Linear(6, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


rows, misspelt, unmoved, shared, misnamed, nosuper = map(s, "Rows Misspelt Unmoved Shared Misnamed NoSuper".split())
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's file of methods and networks."""
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def test_a_tap_is_what_it_is_called_and_not_a_submodule_that_happens_to_be_called_so(own: Path, teacher: Path) -> None:
    prepared = prepare(configured(method=f"{own}:rows", student=f"{own}:Stacked", teacher=str(teacher)), Given())
    x = torch.rand(4, 1, 8, 8)
    assert prepared.student(x, ("features",)).features["features"].shape == (4, 6)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("misspelt", "has no tap 'featurs'"),
        ("unmoved", "nobody moves objective.adapter.weight: return its module from the part's `companion`"),
        ("shared", "the players 'other' and 'student' would both move 1.weight, each by its own loss"),
        ("nosuper", r"cannot be made as `NoSuper\(setting, OPTION=…\)`: cannot assign module before"),
    ],
)
def test_slips_are_told_before_the_training(name: str, told: str, own: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match=told):
        prepare(configured(method=f"{own}:{name}", teacher=str(teacher)), Given())


def test_features_of_several_teachers_are_refused_in_a_sentence(own: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match="made of several networks, so it has no inner features"):
        prepare(configured(method=f"{own}:rows", teacher=f"ensemble:{teacher}+{teacher}"), Given())
    with pytest.raises(UserError, match="needs a teacher's inner features, and these targets have none"):
        prepare(configured(method=f"{own}:rows", teacher=str(teacher), targets="ema"), Given())


def test_a_turn_of_nobodys_is_told(own: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the turns name 'othre', and the players are student, other"):
        run(configured(method=f"{own}:misnamed", teacher=str(teacher), epochs=1), tmp_path / "x")


def test_disk_censors_a_hint_of_ones_own_with_its_options(
    own: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(own.parent)
    hint = {"objective.hint": "own.py:Mean", "objective.hint.power": 1.0}
    done = run(configured(method="disk", teacher=str(teacher), epochs=1, **hint), tmp_path / "x")
    assert "means, to the power 1" in capsys.readouterr().err
    assert done.metrics["changes"]["objective.hint.power"] == 1.0
    monkeypatch.chdir("/")
    prepared = prepare(
        configured(method="disk", teacher=str(teacher), **hint | {"objective.hint": f"{own}:Mean"}), Given()
    )
    assert prepared.method.objective.hint_weight == 2.0


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ({"objective.hint": "fitnts"}, "unknown hint 'fitnts'. Did you mean 'fitnets'"),
        ({"objective.hint": "attention", "objective.hint.layer": "stage1"}, "argument 'layer'; it has no options"),
        ({"objective.hint.layer": "stage1"}, "has options here and no name"),
        ({"objective.hint": "{own}:Rows"}, "is Rows: a hint subclasses"),
    ],
)
def test_hints_that_will_not_do(hint: dict[str, str], told: str, own: Path, teacher: Path) -> None:
    filled = {key: value.format(own=own) for key, value in hint.items()}
    with pytest.raises(UserError, match=told):
        prepare(configured(method="disk", student="resnet8", teacher=str(teacher), **filled), Given())


def test_a_hint_is_written_in_one_way() -> None:
    one, other = (
        resolved(configured(method="disk", objective=dict(hint)))
        for hint in ({"hint": {"name": "fitnets", "layer": "stage2"}}, {"hint": {"layer": "stage2", "name": "fitnets"}})
    )
    assert list(one.objective["hint"]) == list(other.objective["hint"]) == ["name", "layer"]
    assert resolved(configured(method="disk", objective={"hint": {"name": "fitnets"}})).objective["hint"] == "fitnets"
    presets = resolved(configured(method="simkd-disk", **{"objective.hint.factor": 4}))
    assert presets.objective["hint"] == {"name": "simkd", "factor": 4}


def test_files_of_a_chain_are_hashed(own: Path) -> None:
    config = configured(method="kd", perturb={"name": f"mixes+{own}:rows", "rows": {}})
    assert list(files(config, None, None)) == [str(own)]


def test_a_changed_file_is_another_run(own: Path, teacher: Path, tmp_path: Path) -> None:
    config = configured(method=f"{own}:rows", teacher=str(teacher), student=f"{own}:Stacked", epochs=1)
    run(config, tmp_path / "x")
    assert list(read_json(tmp_path / "x" / "manifest.json")["files"]) == [str(own)]
    run(config, tmp_path / "x", resume=True)
    own.write_text(OWN.replace(".square()", ".abs()"))
    with pytest.raises(UserError, match=f"other arguments .*the Python file {own}"):
        run(config, tmp_path / "x", resume=True)


FUNCTIONS = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

def images():
    x = torch.rand(80, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.utils.data.TensorDataset(x, torch.arange(80) % 4)
"""


def test_a_function_of_a_changed_file_makes_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student, teacher, data = (tmp_path / f"{name}.py" for name in ("student", "teacher", "data"))
    for file in (student, teacher, data):
        file.write_text(FUNCTIONS)
    config = configured(student=f"{teacher}:net", epochs=1)
    run(config, tmp_path / "teacher")
    changes = {"student": f"{student}:net", "teacher": f"ensemble:{tmp_path / 'teacher'}+{tmp_path / 'teacher'}"}
    config = configured(method="kd", any_teacher=True, epochs=1, **changes)
    run(config, tmp_path / "x")
    assert list(read_json(tmp_path / "x" / "manifest.json")["files"]) == [str(student), str(teacher)]
    assert list(files(configured(data=f"{data}:images"), None, None)) == [str(data)]
    run(config, tmp_path / "x", resume=True)
    capsys.readouterr()
    for file, role in ((student, "student"), (teacher, "teacher")):
        file.write_text(FUNCTIONS.replace("ReLU", "Tanh"))
        with pytest.raises(UserError, match=f"other arguments .the Python file {file}"):
            run(config, tmp_path / "x", resume=True)
        examine(tmp_path / "x", part="test", curve=False, device=None)
        told = capsys.readouterr().err
        assert f"{file} is not what it was when {tmp_path / 'x'} was trained: its {role} may compute" in told
        assert told.count("is not what it was") == 1
        file.write_text(FUNCTIONS)
    teacher.write_text(FUNCTIONS.replace("ReLU", "Tanh"))
    run(config, tmp_path / "y")
    assert f"{teacher} is not what it was when the teacher's weights were trained" in capsys.readouterr().err
    teacher.write_text(FUNCTIONS)
    manifest = tmp_path / "x" / "manifest.json"  # of an earlier version, which named no such file
    manifest.write_text(json.dumps({**read_json(manifest), "files": {}}))
    student.write_text(FUNCTIONS.replace("ReLU", "Tanh"))
    assert run(config, tmp_path / "x", resume=True).metrics["epochs"] == 1


def test_a_run_is_evaluated_as_it_was_scored_and_its_configuration_starts_another(tmp_path: Path) -> None:
    done = run(configured(student="resnet8", epochs=1, precision="bf16"), tmp_path / "x")
    found = examine(tmp_path / "x", part="test", curve=False, device=None)
    assert {key: found[key] for key in ("accuracy", "nll", "ece")} == {
        key: done.metrics["test"][key] for key in ("accuracy", "nll", "ece")
    }
    again = train(out=tmp_path / "y", config=tmp_path / "x" / "config.yaml", seed=1)
    assert (again.metrics["seed"], again.metrics["student"]) == (1, "resnet8")


def test_what_is_ones_own_is_explained_and_named_in_python(own: Path) -> None:
    assert "The last features, and their shape" in explained("objective", f"{own}:Rows")
    assert "weight=1.0" in explained("objective", f"{own}:Rows")
    with pytest.raises(UserError, match="objective is a function object, and is a name such as"):
        configured(objective=configured)
