"""The loop itself: it clips when told, and compiles."""

import subprocess

import pytest
import torch
from runs import configured, losses
from torch import nn

from sparring.core import Clock
from sparring.engine import Checkpoints, Compute, Descent, fit
from sparring.engine.device import choose_device
from sparring.errors import UserError
from sparring.recipes.build import Given, prepare
from sparring.recipes.optim import descents
from sparring.recipes.run import run, training_stream


def test_seeding_a_step_is_torchs_own():
    Compute(torch.device("cpu")).reseed(2**62 + 5)
    here = torch.rand(3)
    torch.manual_seed(2**62 + 5)
    assert torch.equal(here, torch.rand(3))


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_any_accelerator_is_taken_and_waited_for(kind, monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    monkeypatch.setattr(torch, "empty", lambda *shape, device: None)
    device = choose_device(kind)
    Compute(device).synchronise()
    Compute(torch.device("cpu")).synchronise()
    assert waited == [device] == [torch.device(kind)]


def test_devices_that_cannot_be_had_are_told(monkeypatch):
    with pytest.raises(UserError, match=r"device 'meta:x' cannot be used here .*try --device cpu"):
        choose_device("meta:x")
    monkeypatch.setattr("sparring.engine.processes.world", lambda: 2)
    with pytest.raises(UserError, match=r"on cuda or cpu, not on mps; try --device cpu"):
        choose_device("mps")


def test_clipping_bounds_the_step():
    def moved(clip):
        net = nn.Linear(4, 1)
        before = net.weight.detach().clone()
        make = lambda parameters: torch.optim.SGD(parameters, lr=1.0)  # noqa: E731
        descent = Descent(net, make, schedule=lambda clock: 1.0, clip=clip)
        descent.descend(100 * net(torch.ones(2, 4)).sum(), Clock(0, 1, 1))
        return float((net.weight.detach() - before).norm())

    assert moved(None) == pytest.approx(400, rel=1e-4)
    assert moved(0.5) < 0.5


def test_clipping_a_run_has_an_effect(tmp_path):
    for clip in (None, 0.01):
        run(configured(epochs=1, optim={"clip": clip}), tmp_path / str(clip))
    free, clipped = losses(tmp_path / "None"), losses(tmp_path / "0.01")
    assert free[0] == clipped[0]
    assert clipped[-1][1]["ce"] > free[-1][1]["ce"] + 0.3


def test_the_last_two_checkpoints_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (5, 10, 100):
        checkpoints.save(step, {"step": step})
    assert [file.name[:13] for file in checkpoints.files()] == ["step-00000010", "step-00000100"]
    assert checkpoints.latest() == {"step": 100}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kd", "da"])
def test_compiled_networks_train_alike(method, teacher, tiny, tmp_path):
    if subprocess.run(["which", "g++"], capture_output=True, check=False).returncode:
        pytest.skip("torch.compile needs a C++ compiler")
    config = configured(teacher=str(teacher), student=tiny, method=method, epochs=2)
    run(config, tmp_path / "eager")
    compiled = run(config.model_copy(update={"compile": True}), tmp_path / "compiled")
    eager = losses(tmp_path / "eager")
    assert losses(tmp_path / "compiled")[0][1] == pytest.approx(eager[0][1], rel=1e-4)
    assert losses(tmp_path / "compiled")[-1][1] == pytest.approx(eager[-1][1], rel=0.3)
    assert compiled.metrics["test"]["accuracy"] > 0.7


def test_a_watcher_may_end_the_training_and_all_have_looked():
    prepared = prepare(configured(), Given())
    told = []

    def ends(moment):
        return moment.step == 3

    fit(
        prepared.method,
        training_stream(prepared),
        descents=descents(prepared.config.optim, prepared.method.players),
        total_steps=5,
        compute=prepared.compute,
        seed=0,
        watchers=[ends, lambda moment: told.append(moment.step)],
    )
    assert told == [1, 2, 3]
