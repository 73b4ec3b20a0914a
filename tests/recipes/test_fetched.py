"""What a run says of the time that its data took."""

import json
import time
from types import SimpleNamespace

import pytest
import torch
from runs import configured

from sparring.data import Stream
from sparring.recipes.fetched import Fetched
from sparring.recipes.run import run


def test_slow_data_is_told(tmp_path, monkeypatch):
    run(configured(), tmp_path / "quick")
    before = Stream.__call__

    def slow(self, start=0):
        for batch in before(self, start):
            time.sleep(0.02)
            yield batch

    monkeypatch.setattr(Stream, "__call__", slow)
    run(configured(), tmp_path / "slow")
    quick, slowed = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("quick", "slow"))
    assert 0 < quick["data_share"] < slowed["data_share"] < 1
    waited = slowed["data_share"] * slowed["seconds"] - quick["data_share"] * quick["seconds"]
    assert waited > 0.75 * 40 * 0.02  # 40 steps


class Event:
    """A GPU's event that happens at the next of some moments, in milliseconds."""

    moments = iter((10.0, 12.0, 50.0, 50.5))

    def __init__(self, *, enable_timing):
        assert enable_timing

    def record(self, queue):
        self.at = next(self.moments)

    def elapsed_time(self, later):
        return later.at - self.at


def test_a_gpu_is_asked_for_its_own_time(monkeypatch):
    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: None)
    stream = SimpleNamespace(device=torch.device("cuda"), steps_per_epoch=2)
    fetched = Fetched(stream)
    for _ in range(2):
        fetched.timed(iter(["a batch"]))
    assert fetched.spent() == pytest.approx(0.0025)
    assert fetched.spent() == 0
