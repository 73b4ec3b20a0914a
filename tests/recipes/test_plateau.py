"""The learning rate falls where validation accuracy stays, the best weights come back, and training ends in time."""

import json
import signal
from itertools import cycle

import pytest
import torch
from runs import assert_same, child, configured, ended, epochs, kill_at, resumed
from torch import nn

from sparring.core import Clock
from sparring.errors import UserError
from sparring.recipes.build import Given, prepare
from sparring.recipes.config import Optim
from sparring.recipes.plateau import Plateau
from sparring.recipes.run import run

SHORT = {
    "optim": {
        "name": "adam",
        "lr": 0.01,
        "schedule": "plateau",
        "decay": 0.5,
        "patience": 2,
        "decays": 2,
        "warmup": 1.5,
    },
    "student": "orbit-mlp",  # its dropout shows a step done twice or left out
    "epochs": 60,
}


def heard(accuracies, **options):
    """(after each epoch: how often the rate has fallen, the student's weight; the epoch that ended it) where the weight
    is the number of the epoch until it is given back."""
    student, best, told = nn.Linear(1, 1, bias=False), -1.0, []
    plateau = Plateau(Optim(schedule="plateau", **options), student)
    for epoch, accuracy in enumerate(accuracies, start=1):
        nn.init.constant_(student.weight, float(epoch))
        over = plateau.hear(epoch, {"accuracy": accuracy}, better=accuracy > best)
        best = max(best, accuracy)
        told.append((plateau.drops, student.weight.item()))
        if over:
            return told, epoch
    return told, None


def test_it_falls_gives_back_the_best_and_ends():
    told, end = heard([0.5, 0.6, 0.6, 0.1, 0.6, 0.7, 0.2, 0.3, 0.9], patience=2, decays=2)
    assert told == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 5), (1, 6), (1, 7), (2, 6)]
    assert end == 8


def test_the_warm_up_is_not_counted():
    told, end = heard([0.5, 0.5, 0.5, 0.5], patience=1, decays=1, warmup=2.5)
    assert [drops for drops, _ in told] == [0, 0, 1]
    assert end == 3


def test_the_rate_is_multiplied_at_each_drop():
    plateau = Plateau(Optim(decay=0.8), nn.Linear(1, 1))
    plateau.drops = 2
    assert plateau(Clock(0, 1, 1)) == pytest.approx(0.64)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that a plateau has ended."""
    out = tmp_path_factory.mktemp("plateau") / "whole"
    run(configured(**SHORT), out)
    return out


def test_a_run_ends_where_it_says_with_its_best_student(whole):
    result, told = json.loads((whole / "result.json").read_text()), epochs(whole)
    accuracy = [line["validation"]["accuracy"] for line in told]
    stops = len(told)
    assert stops < 60 == result["epochs"]
    assert result["stopped"] == {"epoch": stops, "why": "2 times no better validation accuracy in 2 epochs"}
    assert told[-1]["plateau"] == {"waited": 0, "drops": 2, "factor": 0.25}
    assert result["validation"]["accuracy"] == max(accuracy) == accuracy[result["best_epoch"] - 1]
    assert "test_at_best_validation" not in result


def test_its_rate_reaches_the_optimiser(whole, tmp_path):
    kept = configured(**SHORT).model_copy(update={"optim": Optim(**SHORT["optim"] | {"decay": 1.0})})
    run(kept, tmp_path / "run")
    told, other = epochs(whole), epochs(tmp_path / "run")
    first = next(i for i, line in enumerate(told) if line["plateau"]["drops"] == 1)
    assert [line["validation"] for line in told[: first + 1]] == [line["validation"] for line in other[: first + 1]]
    assert told[first + 1]["validation"] != other[first + 1]["validation"]


def test_kills_between_any_two_files(whole, tmp_path):
    out, log, code = tmp_path / "run", tmp_path / "log", None
    for calls in cycle((4, 5, 6, 8)):  # three are written before training; the fourth is the best student, or a state

        def work(calls=calls):
            kill_at(calls, "placed")
            run(configured(**SHORT), out, resume=True)

        code = ended(child(work, log))
        if code != -signal.SIGKILL:
            break
    assert code == 0, log.read_text()
    assert_same(out, whole)


def test_the_best_weights_are_those_of_the_state(whole, tmp_path):
    """Of a run whose best.safetensors is of a later epoch than its state, or gone."""
    out, log = tmp_path / "run", tmp_path / "log"

    def work():
        kill_at(40, "placed")
        resumed(configured(**SHORT), out)

    assert ended(child(work, log)) == -signal.SIGKILL, log.read_text()
    (out / "checkpoints" / "best.safetensors").unlink()
    run(configured(**SHORT), out, resume=True)
    assert_same(out, whole)


def test_killed_after_the_end_and_before_the_result(whole, tmp_path, monkeypatch):
    def die(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("sparring.recipes.run.conclude", die)
        with pytest.raises(RuntimeError):
            run(configured(**SHORT), tmp_path / "run")
    run(configured(**SHORT), tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole)


def test_the_best_student_also_where_the_epochs_run_out(tmp_path):
    optim = SHORT["optim"] | {"patience": 20, "lr": 0.03}
    for seed in range(8):  # until the last epoch is not the best one, which hangs on the machine's rounding
        out = tmp_path / f"run-{seed}"
        best = run(configured(**SHORT | {"epochs": 7, "optim": optim, "seed": seed}), out)
        told = [line["validation"] for line in epochs(out)]
        top = max(told, key=lambda scores: scores["accuracy"])
        if top != told[-1]:
            break
    assert "stopped" not in best.metrics
    assert best.metrics["validation"] == top != told[-1]
    with torch.no_grad():
        data = prepare(configured(seed=seed), Given()).data.validation
        right = best.student(data.x.float() / 255).logits.argmax(1) == data.y
    assert right.float().mean().item() == pytest.approx(best.metrics["validation"]["accuracy"])


def test_nothing_held_out_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"waits for validation accuracy and nothing is held out .*give val=0\.1"):
        run(configured(**SHORT | {"val": 0.0}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
