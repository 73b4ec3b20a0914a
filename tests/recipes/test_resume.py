"""A run that is stopped anywhere, in any way, ends as the one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from runs import assert_same, child, configured, ended, epochs, kill_at, losses, resumed

from sparring.errors import Interrupted
from sparring.launch.jobs import grid, run_all
from sparring.recipes.build import Given
from sparring.recipes.run import run

CASES = {
    "da": {"method": "da", "epochs": 8},
    "hard": {
        "method": "hard-affine",
        "perturb.l_min": 30,
        "perturb.l_max": 50,
        "perturb.patience": 2,
        "perturb.cap": 15,
        "perturb.rest": 10,
        "perturb.fresh": "optimiser",
        "perturb.lambda_t": 0.1,
        "perturb.pool": 3,
        "optim.lr": 0.2,
        "epochs": 12,
    },
    "dropout": {"method": "kd", "student": "orbit-mlp", "epochs": 4},
    "its own average, a ramp": {
        "method": "dkd",
        "targets": {"name": "ema", "decay": 0.99},
        "objective.warmup": 5,
        "epochs": 6,
    },
    "adam, warm-up, paper": {
        "method": "da",
        "perturb.coin": "example",
        "optim.name": "adam",
        "optim.lr": 0.003,
        "optim.schedule": "cosine",
        "optim.warmup": 1.5,
        "protocol": "paper",
        "epochs": 6,
    },
}


@pytest.fixture(scope="module")
def uninterrupted(teacher, tmp_path_factory):
    """name of a case → (its configuration, the folder where it ran in one go)."""
    done = {}

    def get(name):
        if name not in done:
            config = configured(teacher=str(teacher), **CASES[name])
            out = tmp_path_factory.mktemp("reference") / "whole"
            run(config, out)
            done[name] = (config, out)
        return done[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_kills_at_random_moments(name, uninterrupted, tmp_path):
    config, whole = uninterrupted(name)
    out, chance, kills = tmp_path / "run", random.Random(name), 0
    for _ in range(60):
        number = child(lambda: resumed(config, out), tmp_path / "log")
        if kills < 6:
            steps = len(list((out / "checkpoints").glob("step-*")))
            until = time.time() + 20
            while time.time() < until and not (out / "metrics.jsonl").exists() and not steps:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.05, 0.35))
            os.kill(number, signal.SIGKILL)
        code = ended(number)
        kills += code == -signal.SIGKILL
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert kills >= 2
    assert_same(out, whole)
    if name == "dropout":  # checkpoints lie where the meter spoke, so that its means are the same too
        assert losses(out) == losses(whole)


@pytest.mark.parametrize("when", ["half", "written", "placed"])
def test_kills_while_a_file_is_written(when, uninterrupted, tmp_path):
    config, whole = uninterrupted("da")
    out = tmp_path / "run"
    for calls in (1, 2, 3, 4, 5, 9, 14, 30):

        def work(calls=calls):
            kill_at(calls, when)
            resumed(config, out)

        assert ended(child(work, tmp_path / "log")) == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert list(out.rglob(".*.tmp")) or when == "placed"
    run(config, out, resume=True)
    assert_same(out, whole)
    assert not list(out.rglob(".*.tmp"))


def stopped_early(config, out, tmp_path, steps=40):
    """A run killed after a while, two checkpoints in its folder."""

    def work():
        kill_at(steps, "half")
        resumed(config, out)

    assert ended(child(work, tmp_path / "log")) == -signal.SIGKILL
    files = sorted((out / "checkpoints").glob("step-*"))
    assert len(files) == 2
    return files


@pytest.mark.parametrize("damage", ["truncated", "a bit"])
@pytest.mark.parametrize("how_many", [1, 2])
def test_damaged_checkpoints_are_passed_over(damage, how_many, uninterrupted, tmp_path, capsys):
    config, whole = uninterrupted("da")
    out = tmp_path / "run"
    for file in stopped_early(config, out, tmp_path)[-how_many:]:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if damage == "a bit" else content[:-100])
    run(config, out, resume=True)
    told = capsys.readouterr().err
    assert told.count("is damaged (its checksum differs); falling back to the one before it") == how_many
    assert ("is whole; starting from the beginning" in told) == (how_many == 2)
    assert_same(out, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_and_stop(number, teacher, uninterrupted, tmp_path):
    config, _ = uninterrupted("da")
    config = config.model_copy(update={"epochs": 30})
    out, log = tmp_path / "run", tmp_path / "log"
    words = [f"{key}={value}" for key, value in {"perturb.p": 0.7374, "epochs": 30, "threads": 1}.items()]
    command = [sys.executable, "-m", "sparring", "distill", "--teacher", str(teacher), "--student", "mlp-16"]
    command += ["--method", "da", "--device", "cpu", "--out", str(out), *words]
    with log.open("w") as told:
        process = subprocess.Popen(command, stderr=told, stdout=told)
        until = time.time() + 60
        while time.time() < until and len(list((out / "checkpoints").glob("step-*"))) < 2:
            time.sleep(0.01)
        process.send_signal(number)
        process.send_signal(number)  # once more: torchrun and shells do
        assert process.wait(30) == 128 + number, log.read_text()
    assert "with everything saved" in log.read_text()
    assert "the same command with --resume goes on" in log.read_text()
    assert not (out / "result.json").exists()
    if number == signal.SIGTERM:
        return
    run(config, out, resume=True)
    run(config, tmp_path / "whole")
    assert_same(out, tmp_path / "whole")
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["resumed"]) == 1
    assert manifest["started"] <= manifest["resumed"][0]["started"]


def test_interrupted_in_python_names_the_signal(uninterrupted, tmp_path):
    config, whole = uninterrupted("dropout")
    signal.setitimer(signal.ITIMER_REAL, 0)
    before, own = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)
    out = tmp_path / "run"

    def press(*_):
        if (out / "metrics.jsonl").exists() and (out / "metrics.jsonl").stat().st_size:
            signal.setitimer(signal.ITIMER_REAL, 0)  # a second press could come when the run is over, and end the tests
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        with pytest.raises(Interrupted, match="with everything saved") as stopped:
            run(config, out)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stopped.value.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is own
    run(config, out, resume=True)
    assert_same(out, whole)


def test_a_grid_goes_on_where_it_was(teacher, tmp_path):
    config = configured(teacher=str(teacher), method="da", epochs=3)
    whole = grid(config, tmp_path / "whole", methods=["da", "ce"], seeds=2)
    run_all(whole, Given(), resume=False)
    cells = grid(config, tmp_path / "cut", methods=["da", "ce"], seeds=2)
    run_all(cells[:1], Given(), resume=False)
    finished = (cells[0].out / "result.json").stat().st_mtime_ns
    stopped_early(cells[1].config, cells[1].out, tmp_path, steps=30)
    cells[2].out.mkdir(parents=True)  # a run killed while it was being set up
    (cells[2].out / ".config.yaml.123.tmp").write_text("half")
    results = run_all(cells, Given(), resume=True)
    assert (cells[0].out / "result.json").stat().st_mtime_ns == finished
    for cell, other, found in zip(cells, whole, results, strict=True):
        assert_same(cell.out, other.out)
        assert found.metrics["test"] == json.loads((other.out / "result.json").read_text())["test"]
    assert not list((tmp_path / "cut").rglob(".*.tmp"))


def test_killed_between_configuration_and_first_checkpoint(uninterrupted, tmp_path):
    config, whole = uninterrupted("da")
    out = tmp_path / "run"
    for calls in (1, 2, 3):  # config.yaml, manifest.json, metrics.jsonl in place

        def work(calls=calls):
            kill_at(calls, "placed")
            run(config, out, resume=True)

        assert ended(child(work, tmp_path / "log")) == -signal.SIGKILL
        assert not list(out.glob("checkpoints/step-*"))
    run(config, out, resume=True)
    assert_same(out, whole)
    assert len(epochs(out)) == 8
