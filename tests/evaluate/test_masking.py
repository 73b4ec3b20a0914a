"""The tests for masked gradients: what passes, and what each of them catches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sparring.core import Batch, Network
from sparring.evaluate import masking
from sparring.evaluate.climb import Climb, fgsm, withstands
from sparring.evaluate.masking import Check, blind, checks, growing, radii, right_after
from sparring.parts.attack import Ball

N = 200
CURVE = [(0.0, "clean"), (0.1, "pgd-20"), (1.0, "pgd-100@1")]


def flags(share: float, n: int = N) -> np.ndarray:
    return np.arange(n) < share * n


def honest() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Probes of a network that withstands 60 %, and what AutoAttack broke."""
    shares = {"clean": 0.95, "pgd-20": 0.6, "pgd-50": 0.6, "pgd-100": 0.59, "noise": 0.93, "transfer": 0.8}
    right = {name: flags(share) for name, share in shares.items()} | {"pgd-100@1": flags(0.0)}
    broken_by = np.where(flags(0.58), "", np.where(flags(0.95), "apgd-ce", "clean"))
    return right, broken_by


def failed(found: list[Check]) -> list[str]:
    return [check.name for check in found if not check.passed]


def test_an_honest_network_passes():
    found = checks(honest()[0], CURVE, honest()[1])
    assert failed(found) == []
    assert [check.name for check in found] == [
        "more steps",
        "larger radius",
        "no radius too large",
        "Square",
        "transfer from the teacher",
        "noise",
    ]


@pytest.mark.parametrize(
    ("probe", "share", "name"),
    [
        ("pgd-50", 0.7, "more steps"),
        ("pgd-100@1", 0.2, "no radius too large"),
        ("pgd-20", 0.99, "larger radius"),
        ("transfer", 0.5, "transfer from the teacher"),
        ("noise", 0.4, "noise"),
    ],
)
def test_each_sign_is_seen(probe, share, name):
    right, broken_by = honest()
    assert name in failed(checks(right | {probe: flags(share)}, CURVE, broken_by))


def test_square_beside_attacks_with_gradients():
    right, broken_by = honest()
    broken_by[0] = "square"  # that PGD-100 left standing
    (check,) = [check for check in checks(right, CURVE, broken_by) if check.name == "Square"]
    assert not check.passed
    assert "broke 1 of the 116 images" in check.says
    right["pgd-100"] = right["pgd-100"] & (np.arange(N) > 0)  # which now breaks it too
    assert failed(checks(right, CURVE, broken_by)) == []


def test_chance_is_no_sign():
    weak, strong = flags(0.5), flags(0.5)
    strong[100:103] = True  # three more: less than two deviations
    assert growing("steps", [("20", weak), ("50", strong)]).passed
    strong[100:110] = True
    assert not growing("steps", [("20", weak), ("50", strong)]).passed
    assert blind("Square", flags(0.0), flags(0.5)).passed


def test_probes_of_a_linear_network():
    """Noise shakes less than PGD breaks; the same again is the same; a radius of any image leaves nothing right."""
    torch.manual_seed(0)
    net = Network(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)))
    x = torch.rand(300, 1, 4, 4)
    with torch.no_grad():
        y = net(x).logits.argmax(1)

    def pick(rows):
        return Batch(x[rows], y[rows], torch.as_tensor(rows))

    def after(probe, **options):
        return right_after(net, pick, 300, "probe", lambda batch: probe(net, batch, **options))

    ball = Ball(0.1)
    assert after(masking.clean).all()
    noise, climbed = after(masking.shaken, ball=ball), after(withstands, climb=Climb(ball))
    assert climbed.mean() < noise.mean() < 1
    assert (after(withstands, climb=Climb(ball)) == climbed).all()
    assert climbed.mean() <= after(withstands, climb=fgsm(ball)).mean() < 1
    assert after(withstands, climb=Climb(ball, loss="margin", keep="best")).mean() <= climbed.mean()
    assert after(withstands, climb=Climb(ball, loss="kl"), teacher=net).mean() < noise.mean()
    transfer = after(masking.transferred, ball=ball, steps=20, source=net)
    assert transfer.mean() == pytest.approx(climbed.mean(), abs=0.02)
    assert after(withstands, climb=Climb(Ball(1.0))).mean() < 0.05


def test_the_radii_reach_any_image():
    near, wide = radii(Ball(0.1), 64)
    assert near[0] == 0
    assert 0.1 in near
    assert wide == [0.5, 1.0]
    near, wide = radii(Ball(1.0, "l2"), 64)
    assert wide == [4.0, 8.0]
    assert max(near) < 4
