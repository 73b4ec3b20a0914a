"""Methods taught by an earlier self: two runs by one command, each by its own seed, resumed where it stopped."""

from __future__ import annotations

import shutil

import pytest
import torch
from runs import assert_same, configured
from safetensors.torch import load_file
from torch import nn

from sparring.errors import UserError
from sparring.files import read_json
from sparring.launch import jobs as grids
from sparring.launch.jobs import Job, grid, run_all
from sparring.recipes import config as schema
from sparring.recipes.build import Given
from sparring.recipes.check import inspect
from sparring.recipes.earlier import SEED, earlier
from sparring.recipes.examine import examine
from sparring.recipes.run import run
from sparring.verbs import distill


def test_the_earlier_self_is_trained_first_by_another_seed(tmp_path) -> None:
    config = configured(method="tfkd-self", seed=3)
    run_all([Job(config, tmp_path / "self")], Given(), resume=False)
    first = schema.read(tmp_path / "self" / "earlier" / "config.yaml")
    assert (first.method, first.seed, first.student, first.epochs) == ("ce", 3 + SEED, config.student, config.epochs)
    alone = run(configured(seed=3 + SEED), tmp_path / "alone")
    theirs = load_file(tmp_path / "self" / "earlier" / "student.safetensors")
    assert all(torch.equal(value, alone.student.body.state_dict()[name]) for name, value in theirs.items())
    told = read_json(tmp_path / "self" / "result.json")
    assert told["teacher"] == str((tmp_path / "self" / "earlier").resolve())
    assert told["teacher_facts"]["test"]["accuracy"] == alone.metrics["test"]["accuracy"]


def test_a_teacher_that_is_given_takes_its_place(teacher, tmp_path) -> None:
    assert earlier(configured(method="tfkd-self", teacher=str(teacher))) is None
    run_all([Job(configured(method="tfkd-self", teacher=str(teacher)), tmp_path / "self")], Given(), resume=False)
    assert not (tmp_path / "self" / "earlier").exists()


def test_targets_that_ask_no_teacher_need_no_earlier_self() -> None:
    assert earlier(configured(method="tfkd-self", targets="virtual")) is None
    assert earlier(configured(method="tfkd-self")) is not None


def test_a_teacher_in_a_folder_of_that_name_is_none(teacher, tmp_path) -> None:
    (tmp_path / "earlier").mkdir()
    shutil.copy(teacher / "student.safetensors", tmp_path / "earlier")
    told = run(configured(method="kd", teacher=str(tmp_path / "earlier"), epochs=1), tmp_path / "run").metrics
    assert "seconds_before" not in told


def test_it_is_attacked_as_the_run_is() -> None:
    first = earlier(configured(method="at-tfkd-self", student="resnet8", perturb={"name": "pgd", "eps": 0.1}))
    assert first is not None
    assert first.method == "at"
    assert first.perturb["eps"] == 0.1
    other = {"name": "fgsm", "eps": 0.2}
    assert earlier(configured(method="at-tfkd-self", perturb=other)).perturb["name"] == "fgsm"
    chained = earlier(configured(method="at-tfkd-self", perturb={"name": "noise+pgd", "pgd": {"eps": 0.2}}))
    assert chained.perturb["pgd"]["eps"] == 0.2
    assert earlier(configured(method="tfkd-self", perturb={"name": "noise"})).perturb == {}
    away = {"name": "pgd", "eps": 0.1, "loss": "kl", "teacher": "moving"}
    alone = earlier(configured(method="at-tfkd-self", perturb=away, targets={"at": "perturbed"})).perturb
    assert (alone["eps"], alone["loss"], alone["teacher"]) == (0.1, "ce", "clean")  # it has no teacher to leave


def test_one_near_chance_is_told_and_can_be_gone_on_with(tmp_path) -> None:
    config, out = configured(method="tfkd-self", epochs=1, optim={"lr": 1e-9}), tmp_path / "self"
    with pytest.raises(UserError, match=r"the earlier self, .*earlier, is right on .* learned hardly anything"):
        run_all([Job(config, out)], Given(), resume=False)
    before = (out / "earlier" / "result.json").stat().st_mtime_ns
    run_all([Job(config.model_copy(update={"any_teacher": True}), out)], Given(), resume=True)
    assert (out / "earlier" / "result.json").stat().st_mtime_ns == before
    assert (out / "result.json").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"objective": {"name": "kd", "T": -1.0}}, r"objective: T is -1"),
        ({"cache": "answers"}, r"keeps the answers of one: give --cache auto"),
        ({"student": "RUN"}, r"trains its student twice, each time anew"),
    ],
)
def test_what_the_second_run_would_be_refused_for_is_told_before_the_first(teacher, tmp_path, options, told) -> None:
    if options.get("student") == "RUN":
        options = {"student": str(teacher)}
    out = tmp_path / "self"
    with pytest.raises(UserError, match=told):
        run_all([Job(configured(method="tfkd-self", **options), out)], Given(), resume=False)
    assert not out.exists()


def test_a_student_from_python(tmp_path) -> None:
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    options = {"data": "digits", "method": "tfkd-self", "out": tmp_path / "self", "epochs": 1}
    whole = distill(student=student, **options).runs[0].student.state_dict()
    (tmp_path / "self" / "result.json").unlink()
    again = distill(student=student, resume=True, **options).runs[0].student.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_a_run_that_was_moved_keeps_its_earlier_self(tmp_path) -> None:
    config, out, moved = configured(method="tfkd-self"), tmp_path / "self", tmp_path / "moved"
    run_all([Job(config, out)], Given(), resume=False)
    out.rename(moved)
    run_all([Job(config, moved)], Given(), resume=True)
    assert "agreement" in examine(moved, part="test", curve=False, device=None)


def test_a_stop_in_the_first_stage_is_resumed(tmp_path, monkeypatch) -> None:
    config = configured(method="tfkd-self")
    reference = tmp_path / "reference"
    run_all([Job(config, reference)], Given(), resume=False)
    out, real = tmp_path / "stopped", grids.run

    def stopped(config, place, **options):
        if place == out:
            raise KeyboardInterrupt
        return real(config, place, **options)

    monkeypatch.setattr(grids, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_all([Job(config, out)], Given(), resume=False)
    monkeypatch.undo()
    assert (out / "earlier" / "result.json").exists()
    with pytest.raises(UserError, match=r"holds a run already: with the same arguments add --resume"):
        run_all([Job(config, out)], Given(), resume=False)
    run_all([Job(config, out)], Given(), resume=True)
    theirs, ours = (place / "student.safetensors" for place in (reference, out))
    assert theirs.read_bytes() == ours.read_bytes()
    assert_same(out / "earlier", reference / "earlier")


def test_each_seed_of_a_grid_has_its_own(tmp_path) -> None:
    jobs = grid(configured(method="tfkd-self", epochs=1), tmp_path, methods=["tfkd-self", "ce"], seeds=2)
    run_all(jobs, Given(), resume=False)
    firsts = sorted(tmp_path.glob("*/*/earlier/config.yaml"))
    assert [schema.read(file).seed for file in firsts] == [SEED, SEED + 1]


def test_check_says_what_comes_first(tmp_path) -> None:
    told = "\n".join(inspect(configured(method="tfkd-self"), Given()).lines())
    assert "an earlier self, trained first by ce" in told
