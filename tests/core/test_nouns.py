"""Batch, Output, Losses, Clock and Network."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sparring.core import Batch, Clock, Losses, Network, Output, term
from sparring.errors import UserError, did_you_mean

LOGITS = torch.randn(2, 3)


class Bag(OrderedDict):
    """As transformers' ModelOutput: an ordered dict with attributes."""


@pytest.mark.parametrize(
    "answer",
    [
        LOGITS,
        (LOGITS, "more"),
        [LOGITS],
        {"logits": LOGITS},
        Bag(loss=None, logits=LOGITS),
        SimpleNamespace(logits=LOGITS),
    ],
)
def test_any_answer_becomes_an_output(answer: object) -> None:
    assert Output.of(answer).logits is LOGITS
    assert Output.of(Output(LOGITS)).logits is LOGITS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (torch.zeros(2), r"shape \(2,\)"),
        (None, "NoneType"),
        ((), "NoneType"),
        ({"out": LOGITS, "aux": 1}, r"a dict with the keys out, aux; let its forward return them as 'logits'"),
        ({}, "a dict with no keys"),
    ],
)
def test_an_answer_without_logits_is_told(answer: object, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Output.of(answer)


def test_half_precision_answers_are_scored_in_float32() -> None:
    assert Output.of(LOGITS.bfloat16()).logits.dtype == torch.float32
    assert Output.of(LOGITS.double()).logits.dtype == torch.float64


def test_losses_keep_names_and_weights_apart() -> None:
    a, b = torch.tensor(2.0), torch.tensor(3.0)
    losses = 0.1 * term("ce", a) + 0.9 * (2.0 * term("kd", b))
    assert float(losses.total()) == pytest.approx(0.1 * 2 + 1.8 * 3)
    assert {name: float(value) for name, value in losses.values().items()} == {"ce": 2.0, "kd": 3.0}
    assert Losses({"x": (1.0, a)}).total() is not None
    with pytest.raises(UserError, match=r"returned no term, .*: return term"):
        Losses({}).total()
    with pytest.raises(ValueError, match="both named 'ce'"):
        term("ce", a) + term("ce", b)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        term("ce", LOGITS)


def test_the_clock_counts_epochs_from_steps() -> None:
    clock = Clock(step=25, steps_per_epoch=10, total_steps=100)
    assert (clock.epoch, clock.epochs, clock.progress) == (2, 10.0, 0.25)


def test_a_batch_elsewhere_keeps_its_rows() -> None:
    batch = Batch(torch.zeros(2, 1, 2, 2), torch.tensor([1, 0]), torch.tensor([5, 6]))
    moved = batch.at(torch.ones(2, 1, 2, 2))
    assert torch.equal(moved.y, batch.y)
    assert torch.equal(moved.index, batch.index)
    assert float(batch.x.sum()) == 0
    assert len(moved) == 2


def test_a_network_normalises_and_can_be_tapped() -> None:
    body = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    net = Network(body, mean=(0.5,), std=(0.25,), taps={"flat": "0"})
    x = torch.rand(2, 1, 2, 2)
    torch.testing.assert_close(net(x).logits, body((x - 0.5) / 0.25))
    tapped = net(x, taps=("flat", "1"))
    torch.testing.assert_close(tapped.features["flat"], ((x - 0.5) / 0.25).flatten(1))
    torch.testing.assert_close(tapped.features["1"], tapped.logits)
    assert not body[0]._forward_hooks
    assert "mean" not in net.state_dict()


def test_did_you_mean() -> None:
    assert did_you_mean("alpa", ["alpha", "beta"]) == "Did you mean 'alpha'?"
    assert did_you_mean("AT", ["at", "da"]) == "Did you mean 'at'?"
    assert did_you_mean("res_net", ["ResNet", "beta"]) == "Did you mean 'ResNet'?"
    assert did_you_mean("zzz", ["beta", "alpha"]) == "Known: alpha, beta."
