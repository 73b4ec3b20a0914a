"""What cannot go well is refused in a sentence, before work is lost."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from runs import configured

from sparring import recipes, verbs
from sparring.engine import Checkpoints, Descent
from sparring.errors import UserError
from sparring.launch.jobs import grid, run_all
from sparring.recipes import config as schema
from sparring.recipes.ahead import Ahead
from sparring.recipes.build import Given
from sparring.recipes.keeper import Keeper
from sparring.recipes.run import run
from sparring.watch import NotFinite


@pytest.fixture
def begun(teacher, tmp_path):
    """(configuration, folder) of a finished DA run."""
    config = configured(teacher=str(teacher), method="da")
    run(config, tmp_path / "run")
    return config, tmp_path / "run"


def test_changed_arguments_are_named(begun):
    config, out = begun
    (out / "result.json").unlink()
    other = config.model_copy(update={"epochs": 9, "perturb": {"name": "da", "p": 1.0}})
    with pytest.raises(
        UserError, match=r"other arguments \(epochs: 2 → 9; perturb\.p: 0\.7374 → 1\.0\); give the same"
    ):
        run(other, out, resume=True)


@pytest.mark.parametrize(
    ("file", "held", "advice"),
    [
        ("result.json", '{"accuracy"', "restore it, or remove it to have it made again"),
        ("manifest.json", "[]", "put it back, or give another --out"),
    ],
)
def test_a_run_with_a_damaged_file_is_told_which(begun, file, held, advice):
    config, out = begun
    (out / file).write_text(held)
    with pytest.raises(UserError, match=rf"{file} .*: {advice}"):
        run(config, out, resume=True)


def test_what_a_run_left_without_what_says_which_it_was_is_no_run_of_anybodys(tmp_path):
    config, out = configured(), tmp_path / "run"
    run(config, out)
    whole = {name: (out / name).read_bytes() for name in ("config.yaml", "manifest.json")}
    for lost in (["config.yaml"], ["manifest.json"], [*whole]):
        for name in lost:
            (out / name).unlink()
        for longer in (config, config.model_copy(update={"epochs": 9})):
            with pytest.raises(UserError, match=rf"holds what a run left, and no {lost[0]}, which says what run it"):
                run(longer, out, resume=True)
        with pytest.raises(UserError, match="holds what a run left"):
            Ahead(Given()).look(config, out)  # before the first of several runs
        for name, held in whole.items():
            (out / name).write_bytes(held)
    assert run(config, out, resume=True).metrics["epochs"] == 2
    for name in ("config.yaml", "result.json", "student.safetensors", "metrics.jsonl"):  # checkpoints are left
        (out / name).unlink()
    with pytest.raises(UserError, match=r"holds what a run left, and no config.yaml"):
        run(config, out, resume=True)


def test_where_and_how_watched_may_change(begun):
    config, out = begun
    (out / "result.json").unlink()
    moved = {"device": "auto", "threads": None, "workers": 0, "track": "tensorboard", "data_root": str(out)}
    assert run(config.model_copy(update=moved), out, resume=True).metrics["epochs"] == 2


def test_other_weights_in_the_teachers_folder(teacher, tmp_path):
    mine = tmp_path / "teacher"
    run(configured(student="mlp-32", epochs=3), mine)
    config = configured(teacher=str(mine))
    config = config.model_copy(update={"method": "kd"})
    run(config, tmp_path / "run")
    (mine / "student.safetensors").write_bytes((teacher / "student.safetensors").read_bytes())
    with pytest.raises(
        UserError, match=r"holds a run with other arguments .the weights of the teacher.; give the same"
    ):
        run(config, tmp_path / "run", resume=True)


def images(seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(80, 1, 8, 8, generator=generator), torch.arange(80) % 4
    return torch.utils.data.TensorDataset(x, y)


def test_other_images_under_the_same_name(tmp_path):
    config = configured(batch_size=16)
    run(config, tmp_path / "run", given=Given(data=images(0)))
    run(config, tmp_path / "run", given=Given(data=images(0)), resume=True)
    with pytest.raises(UserError, match=r"other arguments .the images of"):
        run(config, tmp_path / "run", given=Given(data=images(1)), resume=True)


def test_folders_that_are_taken(begun, tmp_path):
    config, out = begun
    with pytest.raises(UserError, match=r"holds a run already: with the same arguments add --resume"):
        run(config, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    for resume in (False, True):
        with pytest.raises(UserError, match=r"is not empty and holds no run; give a folder of its own"):
            run(config, tmp_path / "full", resume=resume)
    with pytest.raises(UserError, match=r"is a file; give a folder"):
        run(config, tmp_path / "full" / "thesis.tex")
    with pytest.raises(UserError, match=r"thesis.tex is a file; give a folder"):  # as a run of a grid
        run(config, tmp_path / "full" / "thesis.tex" / "run")
    with pytest.raises(UserError, match=r"holds a single run, where several were asked for"):
        grid(config, out, methods=["da"], seeds=2)
    out.rename(tmp_path / "seed-0")
    with pytest.raises(UserError, match=r"holds the runs of one method \(seed-0\).* give .*, or else another --out"):
        grid(config, tmp_path, methods=["da"], seeds=2)


def test_a_grid_claims_all_its_folders_first(begun, tmp_path):
    config, _ = begun
    cells = grid(config, tmp_path / "grid", methods=["da"], seeds=2)
    cells[1].out.mkdir(parents=True)
    (cells[1].out / "mine").write_text("")
    with pytest.raises(UserError, match=r"is not empty"):
        run_all(cells, Given(), resume=False)
    assert not (cells[0].out / "config.yaml").exists()


@pytest.mark.parametrize(
    ("changes", "method", "told"),
    [
        ({}, "at", "there is no one radius for grey images"),
        ({}, "fitnets", "mlp-16 has no tap 'stage1'"),
        ({"teacher": "WEAK"}, "kd", "the teacher is right on .* of the images it was tried on"),
    ],
)
def test_a_grid_is_looked_at_as_a_whole_before_its_first_run(teacher, tmp_path, changes, method, told):
    config = configured(**{"teacher": str(teacher), **changes})
    if config.teacher == "WEAK":
        run(configured(epochs=1, **{"optim.lr": 1e-9}), tmp_path / "weak")
        config = config.model_copy(update={"teacher": str(tmp_path / "weak")})
    cells = grid(config, tmp_path / "grid", methods=["ce", method], seeds=2)
    with pytest.raises(UserError, match=told):
        run_all(cells, Given(), resume=False)
    assert not (tmp_path / "grid").exists()


def test_a_grid_with_other_arguments_is_told_before_its_first_run(tmp_path):
    cells = grid(configured(epochs=1), tmp_path / "grid", methods=["ce", "ls"], seeds=1)
    run(cells[1].config, cells[1].out)
    longer = grid(configured(epochs=2), tmp_path / "grid", methods=["ce", "ls"], seeds=1)
    with pytest.raises(UserError, match=r"ls/seed-0 holds a run with other arguments \(epochs: 1 → 2\)"):
        run_all(longer, Given(), resume=True)
    assert not cells[0].out.exists()


@pytest.fixture
def disk(tmp_path):
    """Makes a small disk with the given mount options."""
    mounted = []

    def mount(options):
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            pytest.skip("there is no mount here")
        if done.returncode:
            pytest.skip("only root can mount a small disk")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_too_small(disk):
    place = disk("size=64k")
    with pytest.raises(
        UserError, match=r"has 0\.1 MiB free and the run needs 0\.3 MiB; make room there or give another"
    ):
        run(configured(), place / "run")
    assert not (place / "run" / "config.yaml").exists()


def test_a_disk_that_is_read_only(disk):
    with pytest.raises(UserError, match=r"cannot write into .*: Read-only file system; give another place with --out"):
        run(configured(), disk("ro") / "run")


@pytest.mark.parametrize(("options", "told"), [("ro", "Read-only file system"), ("size=900k", "0.9 MiB free")])
def test_what_is_measured_must_have_a_place(disk, options, told):
    place = disk(options)
    for asked in ({"attack": "pgd"}, {"robust": True}, {"corruptions": ()}, {"curve": True}, {"bias": True}):
        with pytest.raises(UserError, match=told):
            verbs.evaluate(place, **asked)
    with pytest.raises(UserError, match="holds no finished run"):
        verbs.evaluate(place)


def test_a_disk_that_fills_up_on_the_way(tmp_path, monkeypatch):
    write, saved = Path.write_bytes, []

    def fill(path, content):
        saved.extend([] if "safetensors" in path.name else [path])
        if len(saved) == 3:
            write(path, content[:1000])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    config, out = configured(epochs=5), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        with pytest.raises(
            UserError, match=r"No space left on device; the checkpoint before it is kept: make room there"
        ):
            run(config, out)
    assert not list(out.rglob(".*.tmp"))
    state = Checkpoints(out / "checkpoints").latest()
    assert state is not None
    assert state["record"]["step"] == 40
    run(config, out, resume=True)
    run(config, tmp_path / "whole")
    assert (out / "student.safetensors").read_bytes() == (tmp_path / "whole" / "student.safetensors").read_bytes()


@pytest.mark.parametrize("at", ["checkpoint", "end"])
def test_a_folder_that_is_removed_on_the_way_is_not_made_anew(at, tmp_path, monkeypatch):
    config, out = configured(epochs=3), tmp_path / "grid" / "ce" / "seed-0"
    owner, name = (Keeper, "save_best") if at == "checkpoint" else (recipes.run, "conclude")
    before = getattr(owner, name)

    def removed(*args, **more):
        shutil.rmtree(tmp_path / "grid")
        return before(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, removed)
        with pytest.raises(UserError, match=r"its folder is gone, .*seed-0, which was removed or moved while"):
            run(config, out)
    assert not (tmp_path / "grid").exists()
    assert run(config, out).metrics["epochs"] == 3  # by the same process


def test_a_journal_that_cannot_grow(tmp_path, monkeypatch):
    from sparring.watch import Journal

    journal = Journal(tmp_path / "metrics.jsonl")
    journal.close()
    journal.file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with pytest.raises(UserError, match=r"cannot write /dev/full: No space left on device; make room there and go on"):
        journal({"kind": "train", "step": 1})
    journal.close()


def assert_finite(out):
    state = Checkpoints(out / "checkpoints").latest()
    assert state is not None
    assert all(value.isfinite().all() for name, value in state["method"].items() if name.startswith("student"))


def test_a_loss_that_explodes(tmp_path):
    text = r"stopped at step \d+: a loss is not finite: ce=(nan|inf).* Try a lower optim\.lr"
    with pytest.raises(NotFinite, match=text):
        run(configured(optim={"lr": 1e30}), tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").glob("step-*"))  # so that none is promised


@pytest.mark.parametrize("step", [39, 59])  # the last of an epoch, where a checkpoint is due, and the last of all
def test_weights_spoilt_by_the_last_step(step, tmp_path, monkeypatch):
    descend = Descent.descend

    def spoil(self, loss, clock):
        descend(self, loss, clock)
        if clock.step == step:
            self.parameters[0].data[0, 0] = float("nan")

    monkeypatch.setattr(Descent, "descend", spoil)
    with pytest.raises(
        NotFinite, match=f"stopped at step {step + 1}: the weights are not finite after it. The last good"
    ):
        run(configured(epochs=3), tmp_path / "run", checkpoint_seconds=0.0)
    assert_finite(tmp_path / "run")
    assert not (tmp_path / "run" / "student.safetensors").exists()


@pytest.mark.parametrize("asked", [False, True])
def test_a_spoilt_loss_between_the_meters_words_is_never_saved(asked, tmp_path, monkeypatch):
    import os
    import signal

    monkeypatch.setattr("sparring.watch.speaks", lambda moment: moment.step % 20 == 0)
    monkeypatch.setattr("sparring.recipes.judge.speaks", lambda moment: moment.step % 20 == 0)
    descend = Descent.descend

    def spoil(self, loss, clock):
        descend(self, loss * float("inf") if clock.step == 25 else loss, clock)
        if clock.step == 26 and asked:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Descent, "descend", spoil)
    with pytest.raises(NotFinite, match=r"stopped at step 27: a loss is not finite: ce=nan"):
        run(configured(), tmp_path / "run", checkpoint_seconds=0.0)
    assert_finite(tmp_path / "run")
    assert [path.name[:13] for path in (tmp_path / "run" / "checkpoints").glob("step-*")] == ["step-00000020"]


def test_trackers_are_refused_before_training(tmp_path):
    with pytest.raises(UserError, match=r"unknown tracker 'tensorbored'. Did you mean 'tensorboard'"):
        run(configured(track="tensorbored"), tmp_path / "run")
    with pytest.raises(UserError, match=r"pip install swanlab"):
        run(configured(track="swanlab"), tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_method_file_that_changed_its_network(tmp_path, monkeypatch):
    source, beside = tmp_path / "mine.py", tmp_path / "beside_mine.py"  # what a file imports has no hash of its own
    source.write_text("from beside_mine import tiny\n")
    text = "from torch import nn\n\ndef tiny(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, {}))\n"
    beside.write_text(text.format("classes"))
    config, out = configured(student=f"{source}:tiny"), tmp_path / "run"
    with monkeypatch.context() as killed:
        killed.setattr("sparring.recipes.run.conclude", None)
        with pytest.raises(TypeError):
            run(config, out)
    monkeypatch.delitem(sys.modules, "beside_mine")
    beside.write_text(text.format("32), nn.Linear(32, classes"))
    with pytest.raises(UserError, match=r"are of another network or method than this one .*Give another --out"):
        run(config, out, resume=True)


def test_a_refused_run_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"unknown method"):
        run(configured(method="kdd"), tmp_path / "deep" / "run")
    assert not list(tmp_path.iterdir())


def test_paths_are_written_down_whole(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(teacher.parent)
    run(configured(teacher=teacher.name, method="kd"), tmp_path / "run")
    written = schema.read(tmp_path / "run" / "config.yaml")
    assert (written.teacher, written.data, written.student) == (str(teacher), "digits", "mlp-16")
    (tmp_path / "run" / "result.json").unlink()
    assert run(configured(teacher=str(teacher), method="kd"), tmp_path / "run", resume=True).metrics["epochs"] == 2


def test_a_folder_called_like_a_method_is_not_taken_for_it(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("da", "kd", "teacher", "digits"):
        (tmp_path / name).mkdir()
    run(configured(teacher=str(teacher), method="da"), tmp_path / "run")
    written = schema.read(tmp_path / "run" / "config.yaml")
    assert (written.method, written.data, written.targets["name"]) == ("da", "digits", "teacher")
    assert run(written, tmp_path / "again").metrics["test"]["accuracy"] > 0.5


def test_no_checkpoint_outlives_its_run(begun):
    _, out = begun
    assert [file.name for file in (out / "checkpoints").iterdir()] == ["best.safetensors"]
