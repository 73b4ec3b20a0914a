"""MNIST-1D: signals that stay float32 from the package to the batch."""

import random
import sys
from itertools import islice

import numpy as np
import pytest
import torch

from sparring.core import UserError
from sparring.data import Resident, batches, load, stream
from sparring.data.dataset import build
from sparring.data.found import Found, Split
from sparring.data.mnist1d import pixels


def test_signals_are_scaled_by_fixed_numbers():
    signals = np.array([[-6.0, 0.0, 3.0, 9.0]])
    assert pixels(signals).tolist() == [[[[0.0, 0.5, 0.75, 1.0]]]]
    assert pixels(signals).dtype == np.float32
    assert pixels(np.array([[0.1]])).item() == np.float32(6.1 / 12)  # no 8 bits on the way


def floats(cache, size=None):
    rng = np.random.default_rng(0)
    x = rng.random((60, 1, 1, 40), np.float32)
    splits = {"train": Split(x[:40], np.arange(40) % 2), "test": Split(x[40:], np.arange(20) % 2)}
    return x, build(Found("signals", ("a", "b"), splits, f"k{size}"), val=0.1, size=size, cache=cache)


def test_float_pixels_reach_the_batch_bit_for_bit(cache):
    x, data = floats(cache)
    assert data.shape == (1, 1, 40)
    assert isinstance(data.train, Resident)
    assert data.train.augment == "none"
    assert data.mean[0] == pytest.approx(x[:40].mean(), abs=1e-6)
    assert data.std[0] == pytest.approx(x[:40].std(), abs=1e-6)
    for batch in islice(stream(data.train, batch_size=8, seed=0)(0), 5):
        assert torch.equal(batch.x, torch.from_numpy(x[batch.index.numpy()]))
    seen = torch.cat([batch.x for batch in batches(data.test)])
    assert torch.equal(seen, torch.from_numpy(x[40:]))


def test_float_pixels_are_not_scaled(cache):
    with pytest.raises(UserError, match="signals are no bytes and cannot be scaled: leave out size=16"):
        floats(cache, size=16)


def test_augmentations_that_suit_no_signal_are_refused(cache):
    _, data = floats(cache)
    with pytest.raises(UserError, match="the images are 1x40: choose augment=none, or of flip, noise"):
        stream(data.train, batch_size=8, seed=0, augment="rotate")
    assert next(stream(data.train, batch_size=8, seed=0, augment="flip+noise")(0)).x.shape == (8, 1, 1, 40)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d", None)
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(UserError, match=r"pip install 'sparring\[mnist1d\]'"):
        load("mnist1d")


def test_the_real_one(cache):
    pytest.importorskip("mnist1d")
    before = np.random.get_state()[1].tolist(), random.getstate()
    data = load("mnist1d")
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3601, 399, 1000]  # by class
    assert data.shape == (1, 1, 40)
    assert data.mean[0] == pytest.approx(0.5, abs=1e-3)
    assert data.std[0] == pytest.approx(1 / 12, abs=1e-3)
    assert 0 < data.train.x.min() < data.train.x.max() < 1  # nothing is cut off
