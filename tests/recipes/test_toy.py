"""HARD's toy: seeds that learn together do not meet, it is read where it was done, and its order is told honestly."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sparring.core import UserError
from sparring.recipes import toy
from sparring.recipes.toy import Perceptrons, learn, points
from sparring.report.toy import Learned, sentences


def test_each_seed_learns_alone():
    for method in ("KD", "HARD"):
        together, alone = learn(method, seeds=[0, 1], steps=20), learn(method, seeds=[0], steps=20)
        if method == "KD":  # with noise the draws of two channels are others than those of one
            np.testing.assert_allclose(together.curve[0], alone.curve[0], atol=1e-4)
        assert np.abs(together.curve[0] - together.curve[1]).max() > 0.01


def test_a_seed_does_not_depend_on_the_others():
    net = Perceptrons([0, 1, 2])
    x = torch.rand(5, 3, 1, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
    assert gradient[:, 1].abs().max() > 0
    assert gradient[:, [0, 2]].abs().max() == 0


def test_the_points_lie_in_two_clusters():
    x = points([0, 1]).flatten()
    assert len(x) == 80
    assert ((x.abs() >= 1.5) & (x.abs() <= 2.5)).all()
    assert (x > 0).sum() == 40


def test_the_page_is_made_once_and_read_after(tmp_path, monkeypatch):
    page = toy.toy(tmp_path, "smoke")
    told = json.loads((tmp_path / "toy.json").read_text())
    assert set(told["mse"]) == {"KD", "Mixup", "Gaussian noise", "HARD"}
    assert all(len(values) == 3 for values in told["mse"].values())
    text = page.read_text()
    assert "<svg" in text
    assert "Far too short" in text
    monkeypatch.setattr(toy, "learn", None)
    assert len(toy.toy(tmp_path, "smoke").read_text()) == len(text)
    assert json.loads((tmp_path / "toy.json").read_text()) == told


def learned(*mse):
    one = np.zeros(1)
    return Learned(np.array(mse), one, one[None], one, one)


def test_the_order_is_told_as_it_is():
    found = {"a": learned(3.0, 4.0, 5.0), "b": learned(1.0, 2.0, 3.1), "c": learned(2.0, 1.0, 3.0)}
    first, second = sentences(found, whole=True)
    assert first.startswith("a − b: +1.97 test MSE, 95 % [")
    assert first.endswith("n=3: as published.")
    assert second.endswith("cannot tell.")
    assert sentences({"b": found["b"], "a": found["a"]}, whole=True)[0].endswith("the other way round.")
    assert len(sentences(found, whole=False)) == 1  # of a short training nothing is said about the order


def test_an_unknown_method():
    with pytest.raises(UserError, match="the toy has no method 'Cutmix'"):
        learn("Cutmix", seeds=[0], steps=1)
