"""Be Your Own Teacher: the sheet's worked examples, who learns from whom, and runs from the student to one exit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from examples import S, T, Y, near, rows
from torch import Tensor, nn

from sparring import cli, nets
from sparring.core import Batch, Network, Output, Setting, UserError
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS
from sparring.methods.byot import FOLLOW, Byot, norm, per_element, summed
from sparring.parts.bout import Bout
from sparring.parts.chain import Chain
from sparring.parts.divergences import kd
from sparring.testing import Case, check_method, tiny_batches, tiny_net, tiny_setting, tiny_tapped
from sparring.verbs import distill, evaluate, export

F_1, F_4 = rows([0, 0, 1], [1, 0, 0]), rows([1, 0, 2], [0, 0, 1])
CE_S, CE_T = 0.935987374, 0.336986932
THREE = (3, 8, 8)


def objective(exits: Sequence[str] = ("exit1",), **options: object) -> Byot:
    made = Byot(tiny_setting(None), **options)  # type: ignore[arg-type]
    made.exits = [*exits]
    return made


def answered(exits: Sequence[str] = ("exit1",), deep: Tensor = T) -> tuple[Output, Batch]:
    """z = T with features F_4, each exit answering S with features F_1."""
    features = {"features": F_4} | {name: S for name in exits} | {f"{name}:features": F_1 for name in exits}
    return Output(deep, features), Batch(torch.zeros(2, *THREE), Y, torch.arange(2))


def test_the_worked_examples() -> None:
    near(FOLLOW["thirdparty"].soft(S, T, 3.0), 9.677079002)
    near(kd(S, T, 3.0), 0.217668220)
    near(FOLLOW["journal"].soft(S, T, 3.0), 9.677079002 / 9)
    near(summed(F_1.float(), F_4.float()), 4.0)
    near(summed(F_1 - 1, F_4 - 1), 4.0 - 3.0)  # where neither is above 0, nothing is compared
    near(per_element(F_1, F_4), 4.0 / 6)
    near(norm(F_1, F_4), 2.0)


@pytest.mark.parametrize(
    ("follow", "wanted"),
    [
        ("thirdparty", 2.113388776),
        ("paper", CE_T + 0.7 * CE_S + 0.3 * 0.217668220 + 0.0655 * 4 / 6),
        ("journal", CE_T + 0.7 * CE_S + 0.3 * 9.677079002 / 9),  # of one exit it compares no features
    ],
)
def test_the_total(follow: str, wanted: float) -> None:
    output, batch = answered()
    near(objective(follow=follow)(output, None, batch).total(), wanted)


def test_terms_are_named_by_their_exit_and_weighed_as_given() -> None:
    names = ("exit1", "exit2", "exit3")
    output, batch = answered(names)
    losses = objective(names, alpha=0.2, T=2.0, feature=0.5)(output, None, batch).terms
    assert list(losses)[:4] == ["ce", "exit1/ce", "exit1/kd", "exit1/feature"]
    assert {name: weight for name, (weight, _) in losses.items()} == {
        "ce": 1.0,
        **{f"{name}/ce": 0.8 for name in names},
        **{f"{name}/kd": 0.2 for name in names},
        **{f"{name}/feature": 0.5 for name in names},
    }
    near(losses["exit2/kd"][1], float(kd(S, T, 2.0)))
    journal = objective(names, follow="journal")(output, None, batch).terms
    assert "exit2/feature" in journal
    assert "exit3/feature" not in journal


def test_the_per_image_loss_does_not_hang_on_the_size_of_the_batch() -> None:
    near(per_element(F_1.repeat(3, 1), F_4.repeat(3, 1)), float(per_element(F_1, F_4)))


@pytest.mark.parametrize("follow", FOLLOW)
def test_the_deepest_learns_from_its_labels_alone(follow: str) -> None:
    setting = tiny_setting(None, tiny_tapped())
    part = Byot(setting, follow=follow, feature=1.0)  # type: ignore[arg-type]
    student = part.dress(tiny_tapped())
    batch = tiny_batches(1)[0]
    output = student(batch.x, part.student_taps)
    terms = part(output, None, batch).terms
    shallow = torch.stack([value for name, (_, value) in terms.items() if "/" in name]).sum()
    fc, stage = student.body.get_submodule("body.3"), student.body.get_submodule("body.1.0")
    deep = [*fc.parameters(), *stage.parameters()]
    assert torch.autograd.grad(shallow, deep, allow_unused=True, retain_graph=True) == (None,) * len(deep)
    leave = [*student.body.get_submodule("exits").parameters()]
    assert all(g is not None for g in torch.autograd.grad(shallow, leave))


def test_shares_of_labels() -> None:
    output, batch = answered()
    halved = Batch(batch.x, Y, batch.index, shares=rows([0.5, 0.5, 0], [0, 0, 1]))
    terms = objective()(output, None, halved).terms
    log = S.log_softmax(1)
    near(terms["exit1/ce"][1], float(-(0.5 * (log[0, 0] + log[0, 1]) + log[1, 2]) / 2))


def case(
    perturb: str = "mixup", student: Callable[[], Network] = tiny_tapped, shape: tuple[int, int, int] = THREE
) -> Case:
    net = student()
    setting = Setting(5, shape, (0.5,) * 3, (0.25,) * 3, None, net, 8)
    links = [PERTURB[name](setting) for name in perturb.split("+")]
    moved = links[0] if len(links) == 1 else Chain(links)
    return Case(Bout(net, perturb=moved, targets=TARGETS["none"](setting), objective=OBJECTIVE["byot"](setting)))


class Mine(nn.Module):
    """A user's module, whose stages have to be found."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.three = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.three(self.two(self.one(x))).mean((2, 3)))


def users() -> Network:
    return Network(Mine(), mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize("make", [case, partial(case, "clean", users), partial(case, "mixes+noise", users)])
def test_it_keeps_the_contract(make: Callable[[], Case]) -> None:
    check_method(make, tiny_batches(4))


@pytest.mark.parametrize(
    ("student", "told"),
    [
        (tiny_net(), "tiny has 0 of them: give a convolutional student of two or more"),
        (nets.build("mlp-16", classes=5, shape=THREE, mean=(0.5,), std=(0.25,)), "mlp-16 has 0 of them"),
        (tiny_net().body, "must be a sparring Network"),
    ],
)
def test_a_student_without_stages_is_refused(student: nn.Module, told: str) -> None:
    if isinstance(student, Network) and student.name == "Sequential":
        student.name = "tiny"
    with pytest.raises(UserError, match=told):
        Byot(tiny_setting(None)).dress(student)


@pytest.mark.parametrize("options", [{"alpha": 1.5}, {"T": 0.0}, {"feature": -1.0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give alpha from 0 to 1, T above 0"):
        Byot(tiny_setting(None), **options)


def test_a_perturbation_that_asks_a_teacher_is_refused() -> None:
    with pytest.raises(UserError, match="the perturb part needs a target"):
        case("da")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of resnet8 on the digits."""
    out = tmp_path_factory.mktemp("byot") / "run"
    distill(student="resnet8", data="digits", method="byot", epochs=2, out=out)
    return out


def test_a_run_tells_of_each_exit(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    assert list(result["exits"]) == ["exit1", "exit2", "deepest", "ensemble"]
    assert result["exits"]["deepest"]["accuracy"] == result["test"]["accuracy"]
    assert result["exits"]["deepest"]["parameters"] == result["parameters"]
    costs = [told["macs"] for told in result["exits"].values()]
    assert costs == sorted(costs)
    line = next(json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert {"ce", "exit1/ce", "exit1/kd", "exit1/feature", "exit2/ce", "exit2/kd", "exit2/feature"} == set(
        line["terms"]
    )
    found = evaluate(run)
    for name, told in result["exits"].items():
        for key in ("accuracy", "parameters", "macs"):
            assert found[f"{name}/{key}"] == pytest.approx(told[key], abs=0.01)


def test_an_exit_is_exported_taught_from_and_trained_on(run: Path, tmp_path: Path) -> None:
    done = export(run, exit="exit1", out=tmp_path / "one")
    written = done.files["safetensors"]
    assert written.file == tmp_path / "one" / "student.safetensors"
    assert written.parity.error <= 1e-5
    assert written.parity.accuracy == written.parity.expected
    assert written.file.stat().st_size < 0.5 * (run / "student.safetensors").stat().st_size
    assert nets.load(str(tmp_path / "one")).name == "exit1:resnet8"
    taught = distill(
        f"exit2:{run}", f"exit1:{run}", "digits", method="kd", epochs=1, any_teacher=True, out=tmp_path / "kd"
    )
    metrics = taught.metrics
    assert (metrics["student"], metrics["start"]) == ("exit1:resnet8", f"exit1:{run}")
    assert metrics["parameters"] == done.parameters
    assert "exits" not in metrics
    start = json.loads((tmp_path / "kd" / "manifest.json").read_text())["start"]
    assert start["spec"] == "exit1:resnet8"
    kept, trained = (net.body.state_dict() for net in (nets.load(str(tmp_path / "kd")), taught.student))
    assert kept.keys() == trained.keys()
    assert all(torch.equal(kept[name], trained[name]) for name in kept)


def test_a_student_with_exits_keeps_them(run: Path, tmp_path: Path) -> None:
    again = distill(student=str(run), data="digits", method="byot", epochs=1, out=tmp_path / "again")
    assert again.metrics["parameters"] == json.loads((run / "result.json").read_text())["parameters"]
    assert json.loads((tmp_path / "again" / "manifest.json").read_text())["start"] is not None
    assert json.loads((run / "manifest.json").read_text())["start"] is None
    assert METHODS["byot"].targets.name == "none"


def commanded(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sparring", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commanded(monkeypatch, "evaluate", run) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines() if "," in line] == [
        "exit", "exit1", "exit2", "deepest", "ensemble",
    ]  # fmt: skip
    assert commanded(monkeypatch, "export", run, "--exit", "deepest", "--out", tmp_path / "deep.safetensors") == 0
    assert "logits at most 0 apart of " in capsys.readouterr().out
    assert nets.load(str(tmp_path / "deep.safetensors")).name == "resnet8"
    plain = tmp_path / "plain"
    distill(student="resnet8", data="digits", method="ce", epochs=1, out=plain)
    assert commanded(monkeypatch, "evaluate", plain) == 0
    assert "exit" not in capsys.readouterr().out
    student = ("--data", "digits", "--method", "byot", "--out", tmp_path / "x", "--student")
    for words, sentence in {
        ("export", run, "--exit", "exit7", "--out", tmp_path / "x"): "resnet8 has no exit 'exit7': it has exit1, exit2",
        ("export", plain, "--exit", "exit1", "--out", tmp_path / "x"): "resnet8 has no exits, so no exit1",
        ("export", run, "--exit", "exit1", "--out", run): "is there already: give another --out",
        ("export", f"exit1:{run}"): f"give its run, {run}, and --exit exit1",
        ("export", run, "--exit", "exit1", "--out", f"{run}.pt"): "what is written are .safetensors, .pt2, .onnx",
        ("export", run, "--exit", "exit1", "--out", run / "result.json"): "cannot be made a folder",
        ("export", tmp_path / "no", "--exit", "exit1", "--out", tmp_path / "x"): "is no folder",
        ("distill", *student, "mlp-16"): "an exit is put behind each stage",
        ("distill", *student, f"exit9:{run}"): "has no exit 'exit9'",
        ("distill", *student, "exit1:runs/no"): "there is nothing at 'runs/no' to take the student from",
        ("distill", *student, "resnet8", "perturb=da"): "the perturb part needs a target",
    }.items():
        assert commanded(monkeypatch, *words) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "x").exists()
