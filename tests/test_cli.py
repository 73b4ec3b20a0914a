"""The command line as people use it: what works ends with the next command, what is wrong with a sentence and 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sparring
from sparring import cli
from sparring.errors import Interrupted, UserError
from sparring.files import read_json
from sparring.recipes import published
from sparring.recipes.config import read

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `sparring WORDS…` in this process and an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sparring", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with a small trained teacher of the digits."""
    out = tmp_path_factory.mktemp("runs") / "teacher"
    command = [sys.executable, "-m", "sparring", "train", "--net", "mlp-64", "--epochs", "2", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_from_a_teacher_to_a_verdict(run: Run, teacher: Path) -> None:
    pair = ("--teacher", teacher, "--student", "mlp-16", "--epochs", 2, "--method", "da", "perturb.p=0.5")
    code, out, err = run("check", *pair)
    assert code == 0, err
    for word in ("data ", "student ", "teacher ", "with other preprocessing", "gradient norm", "images/s", "GiB"):
        assert word in out
    code, out, err = run("distill", *pair, "--baseline", "--seeds", 2, "--out", "fight")
    assert code == 0, err
    assert re.search(r"da \+ perturb\.p=0\.5 (helps|hurts|does not help)|whether da \+ perturb\.p=0\.5 helps", out)
    assert out.strip().splitlines()[-1] == "Next: sparring evaluate fight/da/seed-0"
    assert sorted(p.parent.name for p in Path("fight").rglob("result.json")) == ["seed-0", "seed-0", "seed-1", "seed-1"]
    assert Path("fight/report.html").exists()
    result = json.loads(Path("fight/da/seed-0/result.json").read_text())
    wanted = {"method", "student", "teacher", "data", "seed", "epochs", "test", "validation", "best_epoch"}
    assert wanted | {"parameters", "macs", "seconds", "images_per_second", "peak_memory_bytes"} <= result.keys()
    assert {"accuracy", "nll", "ece", "agreement"} <= result["test"].keys() & result["validation"].keys()
    assert result["parameters"] == 64 * 16 + 16 + 160 + 10
    code, out, err = run("evaluate", "fight")
    assert (code, "there is one in fight/da/seed-0" in err) == (2, True)
    code, out, err = run("evaluate", "fight/da/seed-0", "--curve")
    assert code == 0, err
    shown = dict(line.split()[:2] for line in out.splitlines())
    assert float(shown["accuracy"]) == pytest.approx(result["test"]["accuracy"], abs=1e-5)
    assert Path("fight/da/seed-0/disagreement.json").exists()
    code, out, err = run("distill", "-c", "fight/da/seed-0/config.yaml", "optim.lr=0.1", "--out", "again")
    assert code == 0, err
    assert "lr: 0.1" in Path("again/config.yaml").read_text()
    code, out, err = run("report", "fight", "again", "--out", "both.html")
    assert code == 0, err
    assert Path("both.html").read_text().count("<html") == 1


def test_a_name_that_may_mean_two_things(run: Run) -> None:
    """What is told by its name is refused; what a written configuration calls so is the known set for ever."""
    code, _, err = run("train", "--net", "mlp-16", "--data", "digits", "--epochs", 1, "--out", "known")
    assert code == 0, err
    for number in range(12):
        for name in ("six", "nine"):
            Path(f"digits/{name}").mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), number).save(f"digits/{name}/{number}.png")
    for verb in ("train", "check"):
        code, _, err = run(verb, "--net", "mlp-16", "--data", "digits", "--out", "any")
        assert (code, "write ./digits for the folder" in err) == (2, True), err
    with pytest.raises(UserError, match=r"write \./digits"):
        sparring.check(student="mlp-16", data="digits", method="ce")
    code, _, err = run("evaluate", "known")
    assert code == 0, err
    code, _, err = run("train", "-c", "known/config.yaml", "--out", "again")
    assert (code, read_json(Path("again/result.json"))["data"]) == (0, "digits"), err
    code, out, err = run("check", "--net", "mlp-16", "--data", "./digits", "--batch-size", 8)
    assert (code, "data        ./digits: " in out) == (0, True), err


def test_the_demo(run: Run) -> None:
    code, out, err = run("demo", "--seeds", 1)
    assert code == 0, err
    assert "mlp-16 on digits" in out
    assert "Next: sparring distill" in out.strip().splitlines()[-1]
    page = Path("sparring-demo/report.html").read_text()
    assert "steps towards disagreement" in page
    before = page
    code, _, err = run("demo", "--seeds", 1)
    assert code == 0, err
    assert len(Path("sparring-demo/report.html").read_text()) == len(before)


SMOKE = {  # hard-table3 and 4 are in tests/recipes/test_reproduce.py
    "adversarial-table1": (("mnist",), ("ce", "kd", "kd-soft")),
    "adversarial-table2": (("without-two", "--variants", "ce", "kd"), ("ce", "kd")),
    "adversarial-table3": (("teacher-free", "--variants", "ls", "tfkd-reg", "tfkd-self"), ("ls", "tfkd-self")),
    "da-table1": (("resnet32x4-resnet8x4", "--variants", "kd", "da"), ("kd", "da")),
    "hard-table1": (("cnn-mlp", "--variants", "student-only", "hard-affine"), ("student-only", "hard-affine", "orbit")),
    "hard-table2": (("resnet101-resnet18", "--variants", "kd,gaussian-affine-0.3"), ("kd", "gaussian-affine-0.3")),
}


@pytest.mark.parametrize("recipe", SMOKE)
def test_recipes_run_at_smoke_scale(run: Run, recipe: str) -> None:
    words, shown = SMOKE[recipe]
    code, out, err = run("reproduce", recipe, "--scale", "smoke", "--row", *words)
    assert code == 0, err
    for line in shown:
        assert f"| {line} |" in out


LISTS = {
    "methods": "da ",
    "nets": "resnet32x4 ",
    "data": "cifar100 ",
    "augment": "shift3 ",
    "recipes": "da-table1 ",
} | {
    "perturb": "alpha=0.01778, steps=1, follow=paper|release",
    "targets": "teacher ",
    "objective": "T=4.0, ce=0.1, kd=0.9, reduction=batchmean|elementwise|cross-entropy",
}


@pytest.mark.parametrize(("what", "shown"), LISTS.items())
def test_lists(run: Run, what: str, shown: str) -> None:
    code, out, _ = run("list", what)
    assert code == 0
    assert shown in out


def test_a_part_is_explained_option_by_option(run: Run) -> None:
    code, out, err = run("list", "objective", "disk")
    assert code == 0, err
    assert "k: guarded classes." in out
    assert "T=4.0" in out


def test_taps_of_a_shape_need_no_data(run: Run, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparring.verbs.find_data", lambda *_: pytest.fail("data were read"))
    code, out, err = run("list", "taps", "resnet8", "--shape", "1x32x48")
    assert code == 0, err
    assert re.search(r"stage3 +\(64, 8, 12\)  layer3", out)
    assert re.search(r"fc +\(10,\)", out)
    assert re.search(r"fc +\(7,\)", run("list", "taps", "resnet8", "--shape", "3,32,32", "--classes", 7)[1])
    code, out, err = run("list", "taps", teacher, "--shape", "1x8x8")
    assert code == 0, err
    assert "hidden1" in out


def test_a_method_of_ones_own_has_a_folder_with_a_plain_name(run: Run, teacher: Path) -> None:
    Path("my.py").write_text(
        "from sparring.methods import Slot, Slots\n\nmine = Slots('mine', targets=Slot('teacher'))\n"
    )
    pair = ("--teacher", teacher, "--student", "mlp-16", "--epochs", 1)
    code, out, err = run("distill", *pair, "--method", "my.py:mine", "--seeds", 2)
    assert code == 0, err
    assert out.strip().splitlines()[-1] == "Next: sparring evaluate runs/digits-mlp-16-my-mine/my-mine/seed-0"


def test_reproduce_that_was_stopped_asks_for_no_flag_it_lacks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise Interrupted("stopped", 15)

    monkeypatch.setattr("sparring.launch.jobs.run_after_earlier", stopped)
    code, _, err = run("reproduce", "da-table1", "--scale", "smoke")
    assert (code, err.splitlines()[-1]) == (143, "sparring: stopped; the same command goes on")
    assert err.startswith("da-table1, smoke scale (--scale): 9 runs in ")
    code, _, err = run("distill", "--student", "mlp-16", "--method", "ce")
    assert (code, err) == (143, "sparring: stopped; the same command with --resume goes on\n")


WRONG: list[tuple[list[str], str]] = [
    (["distill", "--studnet", "mlp-16"], "Unknown option: --studnet. Did you mean --student?"),
    (["distill", "--student", "mlp-16", "--eps", "0.3"], "Unknown option: --eps. Write perturb.eps=… (without the --)"),
    (["train", "--net", "mlp-16", "--lr=0.1"], "Write optim.lr=… or perturb.lr=…"),
    (["distill", "--student", "mlp-16", "epoch=3"], "unknown key 'epoch'. Did you mean 'epochs'?"),
    (["distill", "--student", "mlp-16", "--epochs", "x"], "epochs='x' will not do"),
    (["distill", "--student", "mlp-16", "--epochs", "0"], "epochs="),
    (["distill", "--student", "mlp-16", "--teacher", "nowhere"], "nowhere"),
    (["distill", "--student", "mlp-16"], "learns from a teacher, and none was given: pass --teacher"),
    (["distill", "--teacher", "{teacher}"], "no student was given"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-61"], "Did you mean 'mlp-64'?"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--method", "dda"], "Did you mean 'da'?"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--data", "digit"], "Did you mean 'digits'?"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--method", "da", "perturb.p=2"], "probability of 2"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--device", "cuda:7"], "cannot be used here"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--seeds", "0"], "--seeds 0"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--batch-size", "9999"], "batch"),
    (
        ["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--normalise", "imagnet"],
        "Did you mean 'imagenet'?",
    ),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--teacher-normalise", "imagenet"], "for 3 channels"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--out", "{file}"], "is a file"),
    (["distill", "--teacher", "{teacher}", "--student", "mlp-16", "--out", "{teacher}"], "holds a run already"),
    (["distill", "-c", "nowhere.yaml"], "cannot read nowhere.yaml"),
    (["train", "--net", "{file}:net"], "{file}"),
    (["train"], "no network was given: pass --net"),
    (["train", "--net", "mlp-16", "--method", "da"], "train takes --net and no"),
    (["evaluate", "nowhere"], "is no folder"),
    (["evaluate", "{teacher}", "--attack", "pgd", "--images", "1.5"], "--images 1.5 will not do: give a whole number"),
    (["evaluate", "{teacher}", "--attack", "pgd", "--steps", "true"], "--steps true will not do: give a whole number"),
    (["train", "--net", "mlp-16", "--seeds", "1.5"], "--seeds 1.5 will not do: give a whole number"),
    (["train", "--net", "mlp-16", "epochs=yes"], "epochs=True will not do: input should be a number, and true, false"),
    (["report"], "no run was given"),
    (["report", "nowhere"], "does not exist"),
    (["report", "{teacher}", "--out", "x.jpg"], "--out x.jpg: the report is a web page, so give a name that ends in"),
    (["reproduce", "da-table2"], "Did you mean 'da-table1'?"),
    (["list", "method"], "method"),
    (["show", "{teacher}", "--out", "x.jpg"], "--out x.jpg: the picture is a PNG, so give a name that ends in .png"),
    (["list", "objective", "dsk"], "unknown objective part 'dsk'. Did you mean 'disk'?"),
    (["list", "nets", "resnet8"], "no other list takes a name"),
    (["list", "taps", "resnet8", "--shape", "32"], "--shape 32 is no shape of images: give channels, height and width"),
    (["list", "taps", "resnet8", "--shape", "1x8x99999999999999999999"], "is no shape of images"),
    (["list", "taps", "vit-mnist"], "(asked about images of the digits: give --data DATA or --shape CxHxW for yours)"),
    (["list", "taps", "resnet8", "--classes", "7"], "classes=7 goes beside a shape"),
    (["list", "taps", "resnet8", "--shape", "3x32x32", "--size", "8"], "leave one of them out"),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words)[:70] for words, _ in WRONG])
def test_what_is_wrong_gets_a_sentence(run: Run, teacher: Path, words: list[str], told: str, tmp_path: Path) -> None:
    file = tmp_path / "a-file.txt"
    file.write_text("not a network")
    filled = [word.format(teacher=teacher, file=file) for word in words]
    code, out, err = run(*filled)
    assert code == 2, (out, err)
    said = " ".join(err.replace('"', "").split())  # cyclopts 4.0 quotes what it names
    assert told.format(teacher=teacher, file=file) in said, err
    assert "Traceback" not in err
    assert len(err) < 700


def test_a_teacher_near_chance_is_refused_unless_told(run: Run) -> None:
    words = ("--teacher", "mlp-64", "--student", "mlp-16", "--epochs", 1, "--out", "x")
    code, _, err = run("distill", *words)
    assert code == 2
    assert "has no weights, so it knows nothing" in err
    assert not Path("x/config.yaml").exists()
    code, _, err = run("distill", *words, "--any-teacher")
    assert code == 0, err


def test_help_starts_without_torch(run: Run) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "sparring", "distill", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--teacher" in done.stdout
    assert " torch\n" not in done.stderr


def test_from_python_with_ones_own_objects(tmp_path: Path) -> None:
    import sparring

    chance = torch.Generator().manual_seed(0)
    y = torch.randint(3, (300,), generator=chance)
    x = (torch.rand(300, 1, 6, 6, generator=chance) * 0.5 + y.view(-1, 1, 1, 1) * 0.2).clamp(0, 1)
    data = torch.utils.data.TensorDataset(x, y)

    def net(width: int) -> torch.nn.Module:
        torch.manual_seed(width)
        flat, hidden, out = torch.nn.Flatten(), torch.nn.Linear(36, width), torch.nn.Linear(width, 3)
        return torch.nn.Sequential(flat, hidden, torch.nn.ReLU(), out)

    options = {"epochs": 5, "batch_size": 32}
    big = sparring.train(net(64), (data, data), out=tmp_path / "big", **options)
    assert big.metrics["test"]["accuracy"] > 0.9
    found = sparring.check(big.student, net(8), (data, data), method="da", out=tmp_path / "small", **options)
    assert found.teacher is not None
    assert found.teacher["own"] == pytest.approx(big.metrics["validation"]["accuracy"])
    small = sparring.distill(big.student, net(8), (data, data), method="da", out=tmp_path / "small", **options)
    assert small.metrics["test"]["agreement"] > 0.8
    assert small.student(x[:2]).logits.shape == (2, 3)
    assert small.report().exists()
    bare, fed = net(8), small.metrics["preprocessing"]  # deployed without sparring, as docs/your-own.md shows it
    bare.load_state_dict(load_file(tmp_path / "small/student.safetensors"))
    mean, std = (torch.tensor(fed[name]).view(-1, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(bare.eval()((x - mean) / std), small.student(x).logits)
    assert (small.metrics["student"], small.metrics["data"]) == ("python:Sequential", "python:tuple")
    with pytest.raises(sparring.UserError, match="made in Python"):
        sparring.distill(config=read(tmp_path / "small/config.yaml"), out=tmp_path / "again")
    with pytest.raises(sparring.UserError, match="answers with 3 classes and the data has 10"):
        sparring.distill(big.student, "mlp-16", "digits", size=6, out=tmp_path / "wrong")
    with pytest.raises(sparring.UserError, match=r"AttributeError: 'Output' .* 'logit' \(.*test_cli"):
        sparring.distill(big.student, net(8), data, out=tmp_path / "bad", objective=f"{__file__}:misspelt")


def test_every_run_from_a_module_begins_with_its_weights(tmp_path: Path) -> None:
    import sparring

    torch.manual_seed(0)
    small = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    before = {name: value.clone() for name, value in small.state_dict().items()}
    teacher = sparring.train("mlp-64", "digits", out=tmp_path / "teacher", epochs=2).student
    bits = {name: value.clone() for name, value in teacher.state_dict().items()}
    sparring.check(teacher, small, "digits")
    done = sparring.distill(teacher, small, "digits", out=tmp_path / "runs", epochs=1, seeds=2, baseline=True)
    again = sparring.train(small, "digits", out=tmp_path / "alone", epochs=1)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert all(torch.equal(value, bits[name]) for name, value in teacher.state_dict().items())
    assert len({id(run.student.body) for run in done.runs}) == 4
    alone = next(run for run in done.runs if run.metrics["method"] == "ce" and run.metrics["seed"] == 0)
    assert torch.equal(alone.student.body[1].weight, again.student.body[1].weight)


@pytest.mark.parametrize("spelling", ["mlp-64@{}/student.safetensors", "mlp-64@{}", "{}", "{}/student.safetensors"])
def test_a_teacher_by_every_spelling(run: Run, teacher: Path, spelling: str) -> None:
    pair = ("--teacher", spelling.format(teacher), "--student", "mlp-16", "--epochs", 1, "--out", "run")
    code, _, err = run("distill", *pair)
    assert code == 0, err


def test_targets_of_ones_own_without_a_teacher(run: Run) -> None:
    Path("reg.py").write_text(REG)
    code, _, err = run("distill", "--student", "mlp-16", "--method", "reg.py:reg", "--epochs", 1, "--out", "run")
    assert code == 0, err
    assert json.loads(Path("run/result.json").read_text())["teacher"] is None


REG = """
import torch
from sparring.core import Output
from sparring.methods import Slot, Slots

def virtual(setting, *, right=0.9):
    def targets(x, batch):
        wrong = (1 - right) / (setting.classes - 1)
        sure = torch.nn.functional.one_hot(batch.y, setting.classes) * (right - wrong) + wrong
        return Output(sure.log())
    return targets

reg = Slots("a teacher that is right 90 times in 100", targets=Slot(__file__ + ":virtual"), objective=Slot("kd"))
"""


def misspelt(setting: object) -> Callable[..., object]:
    """An objective with a mistake in it."""
    return lambda output, target, batch: output.logit


def test_the_papers_search_runs_at_smoke_scale(run: Run) -> None:
    code, out, err = run("reproduce", "da-fig2", "--scale", "smoke")
    assert code == 0, err
    assert "4 trials: " in out
    assert "The paper found e=1, α=0.01778, p=0.7374" in out
    assert out.splitlines()[-1] == "Next: sparring reproduce da-fig2 --scale cpu"
    for words, told in (
        (("da-fig2", "--row", "x"), "is a search and no table"),
        (("da-fig2", "perturb.alpha=-1", "--out", "new"), "defaults, which are run beside the best trials, cannot be"),
        (("da-fig2", "perturb.alph=1", "--out", "new"), "perturb.alph"),
        (("--all", "epoch=1", "--out", "new"), "unknown key 'epoch'"),
        (("da-table1", "--seeds", "2", "--seeds", "3"), "specified multiple times: give it once"),
        (("da-table1", "x"), "'x' is not understood here: write key=value"),
    ):
        code, _, err = run("reproduce", *words, "--scale", "smoke")
        assert code == 2
        assert told in err
    assert not Path("new").exists()  # no teacher was trained


def test_the_command_after_a_reproduction_tells_more(monkeypatch):
    words = ["sparring", "reproduce", "adversarial-table1", "--seeds", "3", "--out", "my place"]
    monkeypatch.setattr(sys, "argv", words)
    table, drawn = published.find("adversarial-table1"), published.find("disk-table1")
    assert cli.further("t", table, "smoke", Path(), None) == "sparring reproduce t --scale cpu"
    more = "sparring reproduce adversarial-table1 --out 'my place' --seeds"
    assert cli.further("t", table, "cpu", Path(), 3) == f"{more} 5"
    assert cli.further("t", table, "cpu", Path(), None) == f"{more} 7"  # the table's own five, and two
    assert cli.further("t", drawn, "full", Path(), None) == "sparring list recipes"
