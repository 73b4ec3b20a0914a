"""Grids side by side in real processes end as one after the other, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sparring import verbs
from sparring.errors import UserError
from sparring.launch import on_local
from sparring.launch.on_local import rooms
from sparring.launch.where import Where

LONG = ["--net", "mlp-64", "--data", "digits", "--threads", "1", "--epochs", "40", "--seeds", "2", "--device", "cpu"]


def weights(out):
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("student.safetensors"))}


def command(out, *more):
    environment = os.environ | {"SPARRING_ON": "local:2", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "sparring", "train", *LONG, "--out", str(out), *more]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def begun(out, many=2, patience=120.0):
    """Wait until so many runs below `out` have told of an epoch."""
    until = time.monotonic() + patience
    while sum('"epoch"' in file.read_text() for file in out.rglob("metrics.jsonl")) < many:
        assert time.monotonic() < until, "no run began"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    out = tmp_path_factory.mktemp("reference")
    assert command(out / "runs", "--on", "local:1").wait(300) == 0
    return weights(out / "runs")


def children(number):
    """The workers of a command."""
    found = subprocess.run(
        ["pgrep", "-P", str(number), "-f", "popen_loky"], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(reference, tmp_path):
    process = command(tmp_path / "runs")
    begun(tmp_path / "runs")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert "its worker is gone; it goes on from its checkpoint" in told
    assert weights(tmp_path / "runs") == reference


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_grid_that_is_stopped_goes_on(reference, tmp_path, number):
    process = command(tmp_path / "runs")
    begun(tmp_path / "runs")
    workers = children(process.pid)
    process.send_signal(number)
    _, told = process.communicate(timeout=300)
    if number == signal.SIGTERM:
        assert process.returncode == 143
        assert told.splitlines()[-1].endswith("the same command with --resume goes on")
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    else:
        assert process.returncode == -signal.SIGKILL
    process = command(tmp_path / "runs", "--resume")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert weights(tmp_path / "runs") == reference


def test_two_at_a_time_are_as_one_after_the_other(tmp_path, capsys):
    verbs.train("mlp-16", "digits", out=tmp_path / "one", seeds=2, epochs=2, on="local:1", **OWN)
    capsys.readouterr()
    both = verbs.train("mlp-16", "digits", out=tmp_path / "two", seeds=2, epochs=2, on="local:2", **OWN)
    assert weights(tmp_path / "two") == weights(tmp_path / "one") != {}
    assert [run.metrics["seed"] for run in both.runs] == [0, 1]
    assert both.student(torch.zeros(1, 1, 8, 8)).logits.shape == (1, 10)
    told = capsys.readouterr().err
    assert all(f"seed-{seed}: epoch 2/2, validation" in told for seed in (0, 1))
    with pytest.raises(UserError, match="holds a run already"):
        verbs.train("mlp-16", "digits", out=tmp_path / "two", seeds=2, epochs=2, on="local:2", **OWN)


OWN = {"threads": 1, "device": "cpu"}


def test_what_no_run_could_do_is_told_before_a_folder_is_made(tmp_path):
    with pytest.raises(UserError, match=r"There is no augmentation .flop."):
        verbs.train("resnet8", "digits", out=tmp_path / "runs", seeds=2, on="local:2", augment="flop", **OWN)
    assert not (tmp_path / "runs").exists()


def test_how_many_fit(monkeypatch):
    monkeypatch.setattr(on_local, "cores", lambda: 16)
    assert rooms(Where("local"), 30, None) == (16, 1, 0)
    assert rooms(Where("local"), 3, None) == (3, 5, 0)
    assert rooms(Where("local", cpus=4), 30, None) == (4, 4, 0)
    assert rooms(Where("local:2"), 30, None) == (2, 8, 0)
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (20 * gib, 24 * gib))
    assert rooms(Where("local"), 30, 4 * gib) == (8, 2, 2)
    assert rooms(Where("local"), 30, 100 * gib) == (1, 16, 2)
