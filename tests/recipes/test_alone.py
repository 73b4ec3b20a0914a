"""A run's folder belongs to one process at a time, and holds what its own training left."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from runs import configured
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sparring import verbs
from sparring.errors import UserError
from sparring.files import locked, sweep
from sparring.launch.local import Job, run_all
from sparring.recipes import folder, threat
from sparring.recipes.autoencoder import DEFAULTS, train_augmentor
from sparring.recipes.build import Given
from sparring.recipes.examine import opened
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


def test_a_run_holds_its_folder_to_the_end(tmp_path, monkeypatch):
    out, held = tmp_path / "run", []

    def conclude(*given):
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
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda key: threat.put(file, str(key), {"at": key}), range(24)))
    assert sorted(map(int, threat.entries(file))) == list(range(24))


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


def test_a_finished_run_whose_earlier_self_is_gone_is_not_trained_anew(tmp_path):
    job = Job(configured(method="tfkd-self"), tmp_path / "self")
    run_all([job], Given(), resume=False)
    shutil.rmtree(job.out / "earlier")
    with pytest.raises(UserError, match=r"is finished, and .*earlier, which taught it, is gone"):
        run_all([job], Given(), resume=True)
    assert not (job.out / "earlier").exists()
