"""Evaluation against slow, obvious references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sparring.core import Batch, Network, UserError
from sparring.evaluate import answers, latency, macs, parameters, score


class Table(nn.Module):
    """Answers with a stored row: the image's one pixel is its number."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x):
        self.norm(x)
        return self.logits[x.flatten().round().long()]


def table(logits):
    return Network(Table(logits))


def batches(y, size=7):
    numbers = torch.arange(len(y))
    return [Batch(n.float().view(-1, 1, 1, 1), t, n) for n, t in zip(numbers.split(size), y.split(size), strict=True)]


@pytest.fixture
def case():
    g = torch.Generator().manual_seed(0)
    logits, other = torch.randn(50, 8, generator=g) * 2, torch.randn(50, 8, generator=g)
    return logits, other, torch.randint(8, (50,), generator=g)


def slow_ece(logits, y, bins=15):
    p = logits.double().softmax(1)
    gap = 0.0
    for b in range(bins):
        lo, hi = b / bins, (b + 1) / bins
        held = [i for i in range(len(y)) if lo < p[i].max().item() <= hi]
        if held:
            hits = sum(int(p[i].argmax() == y[i]) for i in held) / len(held)
            sure = sum(p[i].max().item() for i in held) / len(held)
            gap += len(held) / len(y) * abs(hits - sure)
    return gap


def test_matches_the_slow_way(case):
    logits, other, y = case
    got = score(table(logits), batches(y), table(other))
    p = logits.softmax(1)
    assert got["accuracy"] == pytest.approx(sum(int(p[i].argmax() == y[i]) for i in range(50)) / 50)
    assert got["top5"] == pytest.approx(sum(int(y[i] in p[i].argsort(descending=True)[:5]) for i in range(50)) / 50)
    assert got["nll"] == pytest.approx(sum(-math.log(p[i, y[i]]) for i in range(50)) / 50, abs=1e-5)
    assert got["ece"] == pytest.approx(slow_ece(logits, y), abs=1e-6)
    assert got["agreement"] == pytest.approx(sum(int(logits[i].argmax() == other[i].argmax()) for i in range(50)) / 50)


def test_ece_by_hand():
    """Four images at confidence 0.8, three right: 0.05 apart."""
    logits = torch.tensor([[math.log(4.0), 0.0]] * 4)
    got = score(table(logits), batches(torch.tensor([0, 0, 0, 1])))
    assert got["ece"] == pytest.approx(0.05, abs=1e-6)
    assert got["nll"] == pytest.approx((3 * -math.log(0.8) - math.log(0.2)) / 4, abs=1e-6)
    assert "top5" not in got
    assert "agreement" not in got


def test_cached_answers_are_the_teacher(case):
    logits, other, y = case
    cached = answers(table(other), batches(y))
    assert torch.equal(cached, other)
    assert score(table(logits), batches(y), teacher_logits=cached) == score(table(logits), batches(y), table(other))


def test_batch_size_does_not_matter(case):
    logits, _, y = case
    a, b = score(table(logits), batches(y, 7)), score(table(logits), batches(y, 50))
    assert a == pytest.approx(b, abs=1e-6)


def test_leaves_no_trace(case):
    logits, other, y = case
    net, teacher = table(logits).train(), table(other).train()
    net.body.norm.eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    score(net, batches(y), teacher)
    assert net.training
    assert net.body.training
    assert not net.body.norm.training
    assert teacher.body.norm.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_refuses_what_cannot_be_meant(case):
    logits, other, y = case
    with pytest.raises(UserError, match="no images"):
        score(table(logits), [])
    with pytest.raises(UserError, match="no images"):
        answers(table(logits), [])
    with pytest.raises(UserError, match="of 49 images, fewer"):
        score(table(logits), batches(y), teacher_logits=other[:49])
    with pytest.raises(UserError, match="of 60 images, more"):
        score(table(logits), batches(y), teacher_logits=torch.cat([other, other[:10]]))
    with pytest.raises(UserError, match="3 classes and the network for 8"):
        score(table(logits), batches(y), teacher_logits=other[:, :3])
    with pytest.raises(UserError, match="give one of them"):
        score(table(logits), batches(y), table(other), teacher_logits=other)


def test_cost_by_hand():
    net = Network(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(256, 10)))
    assert parameters(net) == 3 * 4 * 9 + 4 + 8 + 256 * 10 + 10
    net.train()
    assert macs(net, (3, 8, 8)) == 3 * 4 * 9 * 64 + 256 * 10
    assert net.body[1].training
    assert net.body[1].num_batches_tracked == 0
    assert 0 < latency(net, (3, 8, 8), "cpu", repeats=3) < 1
    assert net.training


def test_a_teacher_of_half_precision_is_timed_as_others_are():
    seen = []

    class Told(nn.Module):
        def forward(self, x):
            seen.append(torch.is_autocast_enabled("cpu"))
            return x.mean((2, 3))

    net = Network(Told())
    net.bf16 = True
    net(torch.zeros(1, 1, 8, 8))
    assert seen == [True]
    latency(net, (1, 8, 8), repeats=1)
    assert seen[1:] == [False] * 6
