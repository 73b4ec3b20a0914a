"""Two processes are one run: the same result, one voice, one end."""

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from runs import child, configured, ended, epochs, losses
from safetensors.torch import load_file
from torch import nn

from sparring.core.processes import mean
from sparring.engine import synchronised, together
from sparring.engine.processes import agreed, at_first
from sparring.errors import UserError
from sparring.recipes.run import run


def two(work, tmp_path):
    """Start `work(rank)` in two processes as torchrun would; returns their numbers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in (0, 1)]
    return [child(lambda rank=rank: work(rank), tmp_path / f"log-{rank}", ranks[rank]) for rank in (0, 1)]


def codes(numbers):
    """The exit codes of some children."""
    return [ended(number) for number in numbers]


def logs(tmp_path):
    """All that the two wrote."""
    return "".join((tmp_path / f"log-{rank}").read_text() for rank in (0, 1))


def assert_close(out, whole, *, later=2e-3, first=1e-6):
    """Two runs' losses agree to the relative tolerance `first` on the first step and `later` after, their weights
    absolutely to `later`, their scores to an image of 359."""
    (step, terms), *_ = losses(whole)
    assert losses(out)[0] == (step, pytest.approx(terms, rel=first))
    for (step, terms), (other_step, others) in zip(losses(out), losses(whole), strict=True):
        assert step == other_step
        assert terms == pytest.approx(others, rel=later)
    here, there = load_file(out / "student.safetensors"), load_file(whole / "student.safetensors")
    assert here.keys() == there.keys()
    for name, value in here.items():
        assert (value - there[name]).abs().max() <= later, name
    here, there = (json.loads((folder / "result.json").read_text())["test"] for folder in (out, whole))
    assert here["accuracy"] == pytest.approx(there["accuracy"], abs=0.003)


@pytest.mark.parametrize("net", ["mlp-16", "conv"])
@pytest.mark.parametrize("method", ["kd", "da", "disk"])
def test_two_processes_train_as_one(net, method, teacher, tiny, tmp_path):
    """To rounding, over whole runs in float32; in bf16, at kinks and at ties rounding grows: see docs/design.md."""
    changes = {"da": {"perturb.p": 1.0}, "disk": {"objective.inner": 0.5}}.get(method, {})
    changes |= {"student": tiny if net == "conv" else net}
    config = configured(teacher=str(teacher), method=method, precision="float32", epochs=3, **changes)
    run(config, tmp_path / "one")
    assert codes(two(lambda rank: run(config, tmp_path / "two"), tmp_path)) == [0, 0], logs(tmp_path)
    assert_close(tmp_path / "two", tmp_path / "one", later={"conv": 1e-4}.get(net, 2e-3))
    assert (tmp_path / "log-1").read_text() == ""
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["processes"] == 2


def test_gradients_are_those_of_both(teacher, tiny, tmp_path):
    config = configured(teacher=str(teacher), method="kd", student=tiny, precision="float32", gradients=1)
    run(config, tmp_path / "one")
    assert codes(two(lambda rank: run(config, tmp_path / "two"), tmp_path)) == [0, 0], logs(tmp_path)
    one, both = (json.loads((tmp_path / name / "gradients.json").read_text()) for name in ("one", "two"))
    assert both["steps"] == one["steps"]
    assert both["loss"] == pytest.approx(one["loss"], rel=1e-4)
    assert both["norm"] == pytest.approx(one["norm"], rel=1e-3)
    assert both["stages"] == pytest.approx(one["stages"], rel=1e-3)


def test_a_mistake_is_told_once(teacher, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    config = configured(teacher=str(teacher), method="kd")
    assert codes(two(lambda rank: run(config, tmp_path / "out"), tmp_path)) == [2, 2], logs(tmp_path)
    assert logs(tmp_path).count("UserError") == 1
    config = configured(teacher=str(teacher), method="kd", student="mlp-15")
    assert codes(two(lambda rank: run(config, tmp_path / "other"), tmp_path)) == [2, 2], logs(tmp_path)
    assert logs(tmp_path).count("UserError") == 2


def test_a_mistake_that_one_meets_on_the_way_ends_both(teacher, tmp_path, monkeypatch):
    from sparring.engine import Checkpoints

    def full(self, step, state):
        raise UserError("no room")

    monkeypatch.setattr(Checkpoints, "save", full)
    config = configured(teacher=str(teacher), method="kd")
    assert codes(two(lambda rank: run(config, tmp_path / "out"), tmp_path)) == [2, 2], logs(tmp_path)
    assert logs(tmp_path).count("no room") == 1
    assert "Traceback" not in logs(tmp_path)


def test_a_signal_to_one_stops_both_at_one_step(teacher, tmp_path):
    config, out = configured(teacher=str(teacher), method="da", epochs=12), tmp_path / "out"
    numbers = two(lambda rank: run(config, out), tmp_path)
    until = time.time() + 30
    while time.time() < until and len(list((out / "checkpoints").glob("step-*"))) < 2:
        time.sleep(0.01)
    os.kill(numbers[1], signal.SIGTERM)
    assert codes(numbers) == [143, 143], logs(tmp_path)
    assert logs(tmp_path).count("with everything saved") == 1
    assert codes(two(lambda rank: run(config, out, resume=True), tmp_path)) == [0, 0], logs(tmp_path)
    assert codes(two(lambda rank: run(config, tmp_path / "whole"), tmp_path)) == [0, 0], logs(tmp_path)
    assert (out / "student.safetensors").read_bytes() == (tmp_path / "whole" / "student.safetensors").read_bytes()
    assert epochs(out) == epochs(tmp_path / "whole")


def test_agreeing(tmp_path):
    def work(rank):
        for _ in range(4):  # leaving and joining again
            with together():
                assert agreed(15 * rank) == 15
                assert mean(torch.tensor([2.0 * rank])).tolist() == [1.0]
                at_first(lambda: (tmp_path / f"made-by-{rank}").write_text(""))
                assert (tmp_path / "made-by-0").exists()
                assert not (tmp_path / "made-by-1").exists()

    assert codes(two(work, tmp_path)) == [0, 0], logs(tmp_path)


NORMS = {
    "as it comes": {},
    "cumulative": {"momentum": None},
    "without weights": {"affine": False},
    "without memory": {"track_running_stats": False},
}


@pytest.mark.parametrize("kind", NORMS)
def test_batch_normalisation_over_both_is_exact(kind, tmp_path):
    """In float64, so that nothing but the mathematics can differ: gradients to weights and inputs, and buffers."""
    torch.manual_seed(0)
    convs = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 2)
    norms = nn.BatchNorm2d(6, **NORMS[kind]), nn.BatchNorm2d(8, **NORMS[kind])
    layers = [convs[0], norms[0], nn.ReLU(), nn.MaxPool2d(2), convs[1], norms[1], nn.ReLU(), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(32, 10)).double().train()
    x, goal = torch.rand(10, 1, 8, 8).double(), torch.randn(10, 10).double()

    def learn(net, x, goal):
        leaf = x.clone().requires_grad_()
        loss = (net(leaf) - goal).pow(2).sum()
        return torch.autograd.grad(loss, [leaf, *net.parameters()])

    alone, shared = copy.deepcopy(net), copy.deepcopy(net)
    expected = [learn(alone, x, goal) for _ in range(2)][1]

    def work(rank):
        rows = slice(0, 6) if rank == 0 else slice(6, 10)
        with together():
            synchronised(shared)
            found = [learn(shared, x[rows], goal[rows]) for _ in range(2)][1]
            close = {"atol": 1e-10, "rtol": 1e-10}
            torch.testing.assert_close(found[0], expected[0][rows], **close)
            for gradient, whole in zip(found[1:], expected[1:], strict=True):
                torch.testing.assert_close(mean(gradient) * 2, whole, **close)
        state = shared.state_dict()
        assert list(state) == list(alone.state_dict())
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(state[name], value, **close)
        torch.testing.assert_close(shared.eval()(x), alone.eval()(x), **close)

    assert codes(two(work, tmp_path)) == [0, 0], logs(tmp_path)


def test_synchronising_keeps_weights_names_and_modes():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2).eval(), nn.BatchNorm1d(2)))
    before = dict(net.state_dict(keep_vars=True))
    after = synchronised(net).state_dict(keep_vars=True)
    assert list(before) == list(after)
    assert all(after[name] is value for name, value in before.items())
    assert [module.training for module in net[1]] == [False, True]
    assert synchronised(net)[1][0] is net[1][0]


def test_a_foreign_batchnorm_is_refused_by_name():
    class BatchNormAct(nn.BatchNorm2d):
        """As timm's: its forward does more than to normalise."""

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(BatchNormAct(2)))
    with pytest.raises(UserError, match=r"a network has a BatchNormAct, .*train it in one process"):
        synchronised(net)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kd", "da"])
def test_torchrun_itself(method, teacher, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "sparring"]
    command += ["distill", "--teacher", str(teacher), "--student", "mlp-16", "--method", method, "--device", "cpu"]
    command += ["--epochs", "2", "--threads", "1", "--baseline", "--out", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    run(configured(teacher=str(teacher), method=method), tmp_path / "one")
    assert_close(tmp_path / "two" / method / "seed-0", tmp_path / "one")
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 1  # torchrun's own
    assert again.stderr.count("sparring: ") == 1
    assert "exitcode  : 2" in again.stderr
