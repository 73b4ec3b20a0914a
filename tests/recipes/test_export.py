"""A run's student in files of its own: read again, they answer what it answers, and say what they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from sparring import cli, data, nets
from sparring.errors import UserError
from sparring.nets import portable
from sparring.recipes import export as exporting
from sparring.verbs import distill, export, train

NETS = """
from torch import nn


def tiny(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, num_classes))


class Choosing(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.net = tiny(num_classes)

    def forward(self, x):
        y = self.net(x)
        return 2 * y if y.mean() > 0 else y


class Tossing(Choosing):
    def forward(self, x):
        return nn.functional.dropout(self.net(x), 0.5, training=True)
"""
ALL = ("safetensors", "torch", "onnx")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher, and a student of the user's own class beside its baseline on two seeds: teacher, tiny/kd/seed-0, …"""
    here = tmp_path_factory.mktemp("runs")
    (here / "net.py").write_text(NETS)
    train("mlp-32", "digits", out=here / "teacher", epochs=2, threads=1)
    how: dict[str, Any] = {"method": "kd", "epochs": 1, "threads": 1, "baseline": True, "seeds": 2}
    distill(here / "teacher", f"{here}/net.py:tiny", "digits", out=here / "tiny", **how)
    return here


@pytest.fixture(scope="module")
def done(runs: Path) -> exporting.Exported:
    return export(runs / "tiny" / "kd" / "seed-0", to=ALL, licence="AGPL-3.0-only", out=runs / "shipped")


def commanded(monkeypatch: pytest.MonkeyPatch, *words: object) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["sparring", *map(str, words)])
    try:
        cli.main()
    except SystemExit as leaving:
        return leaving.code
    return 0


def test_each_file_answers_what_the_run_answers(done: exporting.Exported, runs: Path) -> None:
    folder = runs / "shipped"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "export.json", "student.onnx", "student.pt2", "student.safetensors",
    ]  # fmt: skip
    assert not [*runs.glob(".export-*")]
    student = nets.load(str(runs / "tiny" / "kd" / "seed-0")).eval()
    images = data.load("digits").test
    assert isinstance(images, data.Resident)
    for form, written in done.files.items():
        answer = portable.read(student, form, written.file)
        assert written.bytes == written.file.stat().st_size
        assert written.parity.batches == (1, 9, 50)
        for x in (images.x[:1], images.x[:33]):
            with torch.inference_mode():
                torch.testing.assert_close(answer(x.float() / 255), student(x.float() / 255).logits)


def test_onnx_needs_neither_torch_nor_sparring(done: exporting.Exported, runs: Path) -> None:
    import onnx

    graph = onnx.load(done.files["onnx"].file, load_external_data=False)
    assert not [each for each in graph.graph.initializer if each.data_location == onnx.TensorProto.EXTERNAL]
    assert [each.dim_param for each in graph.graph.input[0].type.tensor_type.shape.dim] == ["batch", "", "", ""]
    told = {each.key: each.value for each in graph.metadata_props}
    assert json.loads(told["class_names"]) == [*"0123456789"]


@pytest.fixture(scope="module")
def image(runs: Path) -> np.ndarray:
    """A test image, (1, 1, 8, 8), that the run's student and its teacher name otherwise than a black one."""
    images = data.load("digits").test
    assert isinstance(images, data.Resident)
    for one in (images.x.float() / 255).split(1):
        if all(answered(runs / name, one) != answered(runs / name, 0 * one) for name in ("tiny/kd/seed-0", "teacher")):
            return one.numpy()
    raise AssertionError("the students name all images alike")


def answered(run: Path, pixels: Tensor) -> list[str]:
    """What a run's student calls an image."""
    names = nets.origin_of(student := nets.load(str(run)).eval()).class_names
    assert names is not None
    return [names[best] for best in student(pixels).logits.argmax(1)]


def beside(done: exporting.Exported, form: portable.Form, folder: Path, image: np.ndarray) -> str:
    """A folder with one exported file and an image alone; and the lines of its card, asked about that image."""
    shutil.copy(done.files[form].file, folder)
    np.save(folder / "image.npy", image)
    needs = {"onnx": "onnxruntime", "torch": "PyTorch", "safetensors": "(?:your own class|sparring)"}[form]
    loaded = "np.load('image.npy')" if form == "onnx" else "torch.from_numpy(__import__('numpy').load('image.npy'))"
    lines, found = re.subn(r"^pixels = .*", f"pixels = {loaded}", code(done, needs), flags=re.MULTILINE)
    assert found == 1
    return lines


def test_the_lines_on_the_card_run_without_torch_and_sparring(
    done: exporting.Exported, runs: Path, tmp_path: Path, image: np.ndarray
) -> None:
    lines = beside(done, "onnx", tmp_path, image)
    script = "import sys; sys.modules |= {'torch': None, 'sparring': None}\n" + lines
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(answered(runs / "tiny/kd/seed-0", torch.from_numpy(image)))


@pytest.mark.parametrize(("run", "form"), [("tiny", "torch"), ("tiny", "safetensors"), ("teacher", "safetensors")])
def test_the_lines_on_the_card_run(
    run: str,
    form: portable.Form,
    done: exporting.Exported,
    runs: Path,
    tmp_path: Path,
    image: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if run == "teacher":
        done = export(runs / run, out=tmp_path / "shipped")
    lines = beside(done, form, tmp_path, image)
    shutil.copy(runs / "net.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "net", raising=False)
    capsys.readouterr()
    exec(lines, {})
    place = runs / {"tiny": "tiny/kd/seed-0"}.get(run, run)
    assert capsys.readouterr().out.strip() == str(answered(place, torch.from_numpy(image)))


def code(done: exporting.Exported, needs: str) -> str:
    found = re.findall(rf"With {needs}[^\n]*:\n\n```python\n(.*?)```", done.card.read_text(), re.DOTALL)
    assert len(found) == 1
    return found[0]


def test_the_card_tells_what_the_run_tells(done: exporting.Exported, runs: Path) -> None:
    text, told = done.card.read_text(), json.loads(done.facts.read_text())
    run = runs / "tiny" / "kd" / "seed-0"
    result, manifest = (json.loads((run / name).read_text()) for name in ("result.json", "manifest.json"))
    matter = yaml.safe_load(text.split("---\n")[1])
    assert (matter["license"], matter["datasets"]) == ("agpl-3.0", ["digits"])
    assert (matter["metrics"], matter["pipeline_tag"]) == (["accuracy"], "image-classification")
    assert "knowledge-distillation" in matter["tags"]
    assert matter["model-index"][0]["results"][0]["metrics"][0]["value"] == result["test"]["accuracy"]
    for fact in (manifest["teacher"]["sha256"], manifest["data"]["fingerprint"], "`kd`", f"n = {359}, seed 0"):
        assert fact in text
    assert f"| accuracy | {100 * result['test']['accuracy']:.2f} % |" in text
    assert re.search(r"the same student on the labels alone \(ce\).*2 shared seeds", text)
    for who, method in (("this student by kd", "kd"), ("the same student on the labels alone (ce)", "ce")):
        seeds = [json.loads((runs / "tiny" / method / f"seed-{n}" / "result.json").read_text()) for n in (0, 1)]
        each = [100 * one["test"]["accuracy"] for one in seeds]
        assert f"| {who} | {fmean(each):.2f} ± {stdev(each):.2f} (2) |" in text
    assert f"| its teacher, mlp-32 | {100 * result['teacher_facts']['test']['accuracy']:.2f} |" in text
    assert "| augmentation | none |" in text
    assert "was not measured" in text
    assert told["weights"] == result["weights"]
    assert told["files"]["onnx"]["parity"]["images"] == 359
    assert told["parameters"] == result["parameters"]


def test_an_unnamed_licence_is_no_licence(runs: Path, tmp_path: Path) -> None:
    done = export(runs / "teacher", out=tmp_path / "net.safetensors")
    assert (done.card, done.facts) == (tmp_path / "net.md", tmp_path / "net.json")
    matter = yaml.safe_load(done.card.read_text().split("---\n")[1])
    assert matter["license"] == "other"
    assert "Nobody said under which licence" in done.card.read_text()
    assert "number of seeds" not in done.card.read_text(), "it is alone"
    own = export(runs / "teacher", licence="Mine-1.0", out=tmp_path / "own")
    matter = yaml.safe_load(own.card.read_text().split("---\n")[1])
    assert (matter["license"], matter["license_name"]) == ("other", "Mine-1.0")


def test_a_licence_that_comes_later_is_put_into_the_card(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = export(runs / "teacher", to=("safetensors", "torch"), out=tmp_path / "net")
    done.card.write_text(done.card.read_text() + "\nMy own words.\n")
    card, told, written = done.card.read_text(), done.facts.read_text(), done.files["torch"].file.stat()
    again = ("export", runs / "teacher", "--out", tmp_path / "net", "--licence")
    for licence, head in {"Mine-1.0": "other\nlicense_name: Mine-1.0", "mit": "mit"}.items():
        assert commanded(monkeypatch, *again, licence) == 0
        assert f"The weights are under {licence} now" in capsys.readouterr().out
        said = f"These weights: {licence}. The data"
        text = done.card.read_text()
        assert text.startswith(f"---\nlicense: {head}\ntags:\n")
        assert text.split("tags:")[1] == re.sub(r"Nobody said.*?SPDX`\. The data", said, card).split("tags:")[1]
        assert json.loads(done.facts.read_text()) == json.loads(told) | {"licence": licence}
    assert export(runs / "teacher", out=tmp_path / "net", licence="mit") == replace(done, measured=False)
    assert done.files["torch"].file.stat() == written
    assert commanded(monkeypatch, *again, "mit", "--to", "onnx") == 2
    assert "is there already" in capsys.readouterr().err
    done.card.write_text(text.replace("license: mit", "license: isc"))
    assert commanded(monkeypatch, *again, "Apache-2.0") == 2
    assert "change it by hand" in capsys.readouterr().err
    assert "license: isc" in done.card.read_text()


def test_what_was_measured_is_told(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commanded(monkeypatch, "evaluate", runs / "teacher", "--attack", "fgsm", "--eps", "0.1") == 0
    text = export(runs / "teacher", out=tmp_path / "net").card.read_text()
    assert "attacks was not measured" not in text
    assert "FGSM" in text or "fgsm" in text


def test_a_file_that_answers_otherwise_is_not_written(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = portable.read

    def shifted(*given: Any) -> portable.Answering:
        answer = read(*given)
        return lambda pixels: answer(pixels) + 0.01

    monkeypatch.setattr(portable, "read", shifted)
    assert commanded(monkeypatch, "export", runs / "teacher", "--out", tmp_path / "x") == 2
    told = capsys.readouterr().err
    assert "logits differ by up to 0.01" in told
    assert "Nothing was written" in told
    assert not [*tmp_path.iterdir()]


def test_what_cannot_be_written_is_told(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, sentence in {"Choosing": "must not choose by the values", "Tossing": "differently each time"}.items():
        train(f"{runs}/net.py:{name}", "digits", out=tmp_path / name, epochs=1, threads=1)
        capsys.readouterr()
        assert commanded(monkeypatch, "export", tmp_path / name, "--to", "torch") == 2
        told = capsys.readouterr().err
        assert sentence in told
        assert len(told.splitlines()) == 1
        assert not (tmp_path / name / "export").exists()


def test_mistakes_are_told_before_any_work(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = runs / "teacher", ("--out", tmp_path / "x")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "README.md").write_text("mine")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(exporting.datasets, "batches", lambda *given, **how: pytest.fail("work was done"))
    for words, sentence in {
        (run, "--out", tmp_path): "README.md is there already",
        (run, "--to", "onnx", *out): "pip install 'sparring[onnx]'",
        (run, "--to", "torch", "--out", tmp_path / "x.onnx"): "x.onnx is a file for onnx, and --to torch is asked for",
        (run, "--licence", "all rights, mine", *out): "is no licence's name as SPDX has it",
        (run, "--exit", "exit1", *out): "has no exits",
        (tmp_path / "unfinished", *out): "holds no finished run",
    }.items():
        assert commanded(monkeypatch, "export", *words) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "README.md").read_text() == "mine"


def test_weights_that_are_another_runs_are_refused(runs: Path, tmp_path: Path) -> None:
    train("mlp-16", "digits", out=tmp_path / "a", epochs=1, threads=1)
    train("mlp-16", "digits", out=tmp_path / "b", epochs=1, threads=1, seed=1)
    (tmp_path / "b" / "student.safetensors").replace(tmp_path / "a" / "student.safetensors")
    with pytest.raises(UserError, match="its card would tell another's numbers"):
        export(tmp_path / "a")


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return self.net(x.flatten(1)), "aside"


def test_objects_of_python_are_exported_by_what_trained_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = [(torch.tensor(rng.random((1, 8, 8)), dtype=torch.float32), k % 10) for k in range(200)]
    done = train(Mine(), pairs, out=tmp_path / "run", epochs=1, threads=1)
    with pytest.raises(UserError, match=r"run\.export\(data=…\)"):
        done.export()
    with pytest.raises(UserError, match="made in Python, which no file names"):
        export(tmp_path / "run", data=pairs)
    shipped = done.export(to=("safetensors", "torch"), data=pairs)
    assert shipped.card == tmp_path / "run" / "export" / "README.md"
    assert all(each.parity.error < 1e-5 for each in shipped.files.values())
    assert "net = Mine()" in shipped.card.read_text()


def shape_for(name: str) -> tuple[int, int, int]:
    return {"mnist1d-cnn": (1, 1, 40), "vit-xs": (1, 28, 28)}.get(name, (3, 32, 32))


@pytest.mark.parametrize("name", ["mnist1d-cnn", "vit-xs"])
def test_any_number_of_images_goes_in(name: str, tmp_path: Path) -> None:
    shape = shape_for(name)
    net = portable.resting_copy(nets.load(name, classes=10, shape=shape))
    portable.write(net, "torch", tmp_path / "net.pt2", shape=shape, class_names=[*"0123456789"])
    answer = portable.read(net, "torch", tmp_path / "net.pt2")
    for count in (1, 5):
        x = torch.rand(count, *shape)
        with torch.inference_mode():
            torch.testing.assert_close(answer(x), net(x).logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8", "vgg8", "mobilenetv2", "vit-xs", "mnist1d-cnn"])
def test_networks_as_onnx(name: str, tmp_path: Path) -> None:
    shape = shape_for(name)
    net = portable.resting_copy(nets.load(name, classes=10, shape=shape))
    portable.write(net, "onnx", tmp_path / "net.onnx", shape=shape, class_names=[*"0123456789"])
    answer = portable.read(net, "onnx", tmp_path / "net.onnx")
    x = torch.rand(5, *shape)
    with torch.inference_mode():
        wanted = net(x).logits
        assert (answer(x) - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.slow
def test_dressed_students_as_graphs(tmp_path: Path) -> None:
    how: dict[str, Any] = {"student": "resnet8", "data": "digits", "epochs": 1}
    train("resnet8", "digits", epochs=1, out=tmp_path / "teacher")
    distill(tmp_path / "teacher", method="simkd", out=tmp_path / "simkd", **how)
    distill(method="byot", out=tmp_path / "byot", **how)
    for run, exit in {"simkd": None, "byot": "exit1"}.items():
        done = export(tmp_path / run, to=ALL, exit=exit)
        assert all(each.parity.kept for each in done.files.values())
        assert "With sparring" in done.card.read_text()
