"""A run's folder belongs to one process at a time, and holds what its own training left."""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from runs import configured
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sparring import report, verbs
from sparring.errors import UserError
from sparring.files import locked, sweep
from sparring.launch.jobs import Job, run_all
from sparring.recipes import folder, measured
from sparring.recipes.autoencoder import DEFAULTS, train_augmentor
from sparring.recipes.build import Given
from sparring.recipes.examine import opened, reopened
from sparring.recipes.run import run

HELD = "another process is at work in"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "digits"
    run(configured(epochs=2, augment="none"), out)
    return out


@pytest.fixture
def student(trained, tmp_path):
    """A copy of the run."""
    return shutil.copytree(trained, tmp_path / "run")


def test_who_comes_second_is_told_at_once_and_may_come_later(tmp_path):
    out = tmp_path / "run"
    for resume in (False, True):
        with locked(out), pytest.raises(UserError, match=HELD):
            run(configured(), out, resume=resume)
    with locked(out), pytest.raises(UserError, match=HELD):
        train_augmentor(DEFAULTS.model_copy(update={"data": "digits", "student": "vdvae-small"}), out)
    assert [path.name for path in out.iterdir()] == [".lock"]
    run(configured(), out)


def test_who_prepares_longer_comes_second(tmp_path, monkeypatch):
    out = tmp_path / "run"

    def and_another_begins(place, prepared):
        (place / "config.yaml").write_text("epochs: 7\n")

    monkeypatch.setattr(folder, "refuse_full_disk", and_another_begins)
    out.mkdir()
    with pytest.raises(UserError, match="holds a run already"):
        run(configured(), out)
    assert (out / "config.yaml").read_text() == "epochs: 7\n"


@pytest.mark.parametrize("left", ["result.json", "config.yaml"])
def test_what_another_process_did_meanwhile_is_not_written_over(left, tmp_path, monkeypatch):
    """Both were told to resume, and the other began, or ended, after this one had looked."""
    out = tmp_path / "run"
    real = folder.refuse_full_disk

    def and_another_goes_on(place, prepared):
        real(place, prepared)
        monkeypatch.setattr(folder, "refuse_full_disk", real)
        run(configured(epochs=2), tmp_path / "other")
        place.mkdir()
        for name in {"config.yaml", "manifest.json", left}:
            shutil.copy(tmp_path / "other" / name, place / name)

    monkeypatch.setattr(folder, "refuse_full_disk", and_another_goes_on)
    told = "another process has ended the run" if left == "result.json" else "holds a run with other arguments"
    with pytest.raises(UserError, match=told):
        run(configured(epochs=1), out, resume=True)
    assert "epochs: 2" in (out / "config.yaml").read_text()


def test_an_autoencoders_training_holds_its_folder(tmp_path, monkeypatch):
    out, held = tmp_path / "vae", []

    def train(*given):
        with pytest.raises(UserError, match=HELD), locked(out, wait=0):
            pass
        held.append(True)
        raise UserError("enough")

    monkeypatch.setattr("sparring.recipes.autoencoder.train", train)
    with pytest.raises(UserError, match="enough"):
        train_augmentor(DEFAULTS.model_copy(update={"data": "digits", "size": 28, "student": "vdvae-mnist"}), out)
    assert held


def test_a_run_holds_its_folder_to_the_end(tmp_path, monkeypatch):
    out, held = tmp_path / "run", []

    def conclude(*_, **__):
        with pytest.raises(UserError, match=HELD), locked(out, wait=0):
            pass
        held.append(True)

    monkeypatch.setattr("sparring.recipes.run.conclude", conclude)
    run(configured(), out)
    assert held
    with locked(out, wait=0):
        pass


def test_measurements_at_the_same_time_are_all_kept(tmp_path):
    file = tmp_path / "attacks.json"
    entry = {"attack": "fgsm", "norm": "linf", "eps": 0.1, "part": "test", "images": 5, "clean": 0.5}
    entry |= {"accuracy": 0.1, "weights": "w", "data": "d"}
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda key: measured.put(file, str(key), entry), range(24)))
    assert sorted(map(int, measured.entries(file))) == list(range(24))


def test_what_a_killed_process_left_goes_and_what_is_under_way_stays(student):
    old, young = student / ".a.json.1.tmp", student / ".b.json.2.tmp"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    verbs.evaluate(student, attack="fgsm", eps=0.1, images=5)
    assert (old.exists(), young.exists()) == (False, True)
    sweep(student)
    assert not young.exists()


def test_weights_of_another_training_are_told(student, capsys):
    told = f"the student's weights are not those that {student} was trained to"
    for best in (False, True):
        verbs.evaluate(student, attack="fgsm", eps=0.1, images=5, best_epoch=best)
    assert told not in capsys.readouterr().err
    for name, best in (("checkpoints/best.safetensors", True), ("student.safetensors", False)):
        file = student / name
        with safe_open(file, "pt") as kept:
            save_file({key: value + 0.01 for key, value in load_file(file).items()}, file, kept.metadata())
        verbs.evaluate(student, attack="fgsm", eps=0.1, images=5, best_epoch=best)
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "byot", "student": "resnet8"},
        {"method": "simkd", "student": "resnet8", "teacher": "resnet8", "any_teacher": True},
    ],
    ids=lambda changes: changes["method"],
)
def test_every_student_is_known_by_its_hash(changes, tmp_path, capsys):
    run(configured(epochs=1, **changes), tmp_path / "x")
    opened(tmp_path / "x")
    assert "are not those that" not in capsys.readouterr().err


def test_a_teacher_that_was_exchanged_is_told(trained, tmp_path, capsys):
    teacher = shutil.copytree(trained, tmp_path / "teacher")
    run(configured(method="kd", teacher=str(teacher), epochs=1), tmp_path / "x")
    reopened(tmp_path / "x")
    assert "not those that taught" not in capsys.readouterr().err
    file = teacher / "student.safetensors"
    with safe_open(file, "pt") as kept:
        save_file({key: value + 0.01 for key, value in load_file(file).items()}, file, kept.metadata())
    reopened(tmp_path / "x")
    assert f"the teacher's weights are not those that taught {tmp_path / 'x'}" in capsys.readouterr().err


def test_another_share_held_out_is_told(student, capsys):
    file = student / "config.yaml"
    file.write_text(file.read_text().replace("val: 0.1", "val: 0.3"))
    opened(student)
    assert "learned from another number of images" in capsys.readouterr().err


def test_corruptions_of_other_weights_are_not_mixed(student):
    verbs.evaluate(student, corruptions=["translate"], severity=[1])
    verbs.evaluate(student, corruptions=["shear"], severity=[1])
    assert set(json.loads((student / "corruptions.json").read_text())["accuracy"]) == {"translate", "shear"}
    file = student / "student.safetensors"
    with safe_open(file, "pt") as kept:
        save_file({key: value + 0.01 for key, value in load_file(file).items()}, file, kept.metadata())
    verbs.evaluate(student, corruptions=["scale"], severity=[1])
    assert set(json.loads((student / "corruptions.json").read_text())["accuracy"]) == {"scale"}
    assert "measurements of other weights or Python files than that run's" in report.markdown([student])


@pytest.mark.parametrize("text", ["[]", "NaN", '{"benchmark": "MNIST-C"', '{"accuracy": {"shear": {"1": null}}}'])
def test_damaged_corruptions_are_not_begun_anew(student, text):
    (student / "corruptions.json").write_text(text)
    with pytest.raises(UserError, match=r"corruptions\.json cannot be read, and measurements may be in it"):
        verbs.evaluate(student, corruptions=["translate"], severity=[1])
    assert (student / "corruptions.json").read_text() == text


def child_evaluates(place):
    """What another process, which reads the source anew, measures."""
    command = [sys.executable, "-m", "sparring", "evaluate", str(place), "--attack", "fgsm", "--eps", "0.1"]
    return subprocess.run([*command, "--images", "50"], capture_output=True, text=True, check=True).stdout


def test_what_was_measured_by_other_source_is_measured_again(tmp_path):
    source = tmp_path / "mine.py"
    text = (
        "import torch\nfrom torch import nn\n\n\nclass Tiny(nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n\n"
        "    def forward(self, x):\n        return super().forward(x)\n"
    )
    source.write_text(text)
    run(configured(student=f"{source}:Tiny", epochs=1), tmp_path / "x")
    source.write_text(text.replace("super().forward(x)", "-super().forward(x)"))
    from_other = child_evaluates(tmp_path / "x")
    assert "are left out" in report.markdown([tmp_path / "x"])
    source.write_text(text)
    assert child_evaluates(tmp_path / "x") != from_other
    told = report.markdown([tmp_path / "x"])
    assert "are left out" not in told
    assert "FGSM (loss ce), ℓ∞ 0.1, 50 images:" in told  # and no hashes among its options


def test_a_network_whose_source_changed_is_told(tmp_path, capsys):
    source = tmp_path / "mine.py"
    source.write_text(
        "from torch import nn\n\n\nclass Tiny(nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    run(configured(student=f"{source}:Tiny", epochs=1), tmp_path / "x")
    opened(tmp_path / "x")
    assert "is not what it was" not in capsys.readouterr().err
    source.write_text(source.read_text() + "# another\n")
    opened(tmp_path / "x")
    assert f"{source} is not what it was when {tmp_path / 'x'} was trained" in capsys.readouterr().err


def test_a_look_ahead_leaves_the_same_bits(tmp_path):
    jobs = [Job(configured(method=method, epochs=1), tmp_path / method) for method in ("ls", "ce")]
    run_all(jobs, Given(), resume=False)
    run(jobs[1].config, tmp_path / "alone")
    ours, theirs = (load_file(place / "student.safetensors") for place in (tmp_path / "ce", tmp_path / "alone"))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_what_a_training_left_can_be_handed_on(tmp_path):
    done = verbs.train("mlp-16", "digits", epochs=1, out=tmp_path / "x")
    found = [verbs.evaluate(each)["accuracy"] for each in (done, done.runs[0], done.out, str(done.out))]
    assert len(set(found)) == 1
    with pytest.raises(UserError, match="run is a int: give a run's folder"):
        verbs.evaluate(3)


def test_a_finished_run_whose_earlier_self_is_gone_is_not_trained_anew(tmp_path):
    job = Job(configured(method="tfkd-self"), tmp_path / "self")
    run_all([job], Given(), resume=False)
    shutil.rmtree(job.out / "earlier")
    with pytest.raises(UserError, match=r"is finished, and .*earlier, which taught it, is gone"):
        run_all([job], Given(), resume=True)
    assert not (job.out / "earlier").exists()
