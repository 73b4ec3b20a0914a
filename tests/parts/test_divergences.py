"""The worked examples of the method sheets (fixture A), to 1e-6, and the properties of each divergence."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.parts.divergences import kd, mse_disagreement, normalised, zscore

S = torch.tensor([[1, 2, 0.5], [0, -1, 1]], dtype=torch.float64)
T = torch.tensor([[2, 1, 0], [0.5, -0.5, 2]], dtype=torch.float64)
Y = torch.tensor([0, 2])


def close(value: Tensor, expected: object, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64), atol=tolerance, rtol=0)


def test_cross_entropies_of_the_fixture() -> None:
    close(F.cross_entropy(S, Y, reduction="none"), [1.464369, 0.407606])
    close(F.cross_entropy(S, Y), 0.935987374)
    close(F.cross_entropy(T, Y), 0.336986932)


@pytest.mark.parametrize(
    ("temperature", "rows", "mean", "scaled"),
    [
        (1.0, [0.432260, 0.024317], 0.228288343, 0.228288343),
        (2.0, [0.104629, 0.007734], 0.056181584, 0.224726335),
        (4.0, [0.024695, 0.001924], 0.013309493, 0.212951886),
    ],
)
def test_kl_at_each_temperature(temperature: float, rows: list[float], mean: float, scaled: float) -> None:
    close(kd(S, T, temperature, reduction="none", t2=False), rows)
    close(kd(S, T, temperature, t2=False), mean)
    close(kd(S, T, temperature), scaled)


def test_other_reductions() -> None:
    close(kd(S, T, 4.0, reduction="elementwise"), 0.070983962)
    close(kd(S, T, 4.0, reduction="cross-entropy"), 17.358856724)
    rows = -(torch.softmax(T / 4, 1) * torch.log_softmax(S / 4, 1)).sum(1)
    close(rows, [1.102794, 1.067063])
    entropy = -16 * (torch.softmax(T / 4, 1) * torch.log_softmax(T / 4, 1)).sum(1).mean()
    close(entropy, 17.145904838)
    close(kd(S, T, 4.0, reduction="cross-entropy") - kd(S, T, 4.0), float(entropy))
    with pytest.raises(ValueError, match="unknown reduction 'sum'"):
        kd(S, T, 4.0, reduction="sum")


def test_the_sums_and_the_gradient_of_the_sheet() -> None:
    ce = F.cross_entropy(S, Y)
    close(0.1 * ce + 0.9 * kd(S, T, 4.0), 0.285255435)
    close(ce + kd(S, T, 4.0), 1.148939260)
    s = S.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(kd(s, T, 4.0), s)
    close(gradient, [[-0.206850, 0.158009, 0.048841], [0.034523, 0.026886, -0.061409]])
    close(gradient.sum(1), [0.0, 0.0])
    (other,) = torch.autograd.grad(kd(s, T, 4.0, reduction="cross-entropy"), s)
    torch.testing.assert_close(gradient, other)


def test_the_limit_of_a_high_temperature() -> None:
    limit = ((S - S.mean(1, keepdim=True)) - (T - T.mean(1, keepdim=True))).square().sum() / (2 * 3 * 2)
    close(limit, 0.194444444)
    close(kd(S, T, 100.0), 0.195296811)
    close(kd(S, T, 1000.0), 0.194530052)
    assert math.isclose(float(kd(S, T, 1000.0)), float(limit), rel_tol=1e-3)


def test_kd_is_zero_at_the_teacher_and_blind_to_a_constant() -> None:
    assert float(kd(T, T, 4.0)) == 0.0
    torch.testing.assert_close(kd(S + 3.0, T - 5.0, 4.0), kd(S, T, 4.0))


def test_hards_worked_example() -> None:
    clean = torch.tensor([[2.2, 0.9, 0.1], [0.4, -0.6, 2.1]], dtype=torch.float64)
    close(kd(S, T, 5.0, t2=False), 0.008390169)
    close(kd(S, T, 5.0), 0.209754229)
    close(kd(T, clean, 5.0), 0.006551722)
    close(kd(T, clean, 1.0), 0.005329762)


def test_normalisers_and_the_disagreement_of_the_sheet() -> None:
    close(normalised("l1", S), [[0.285714, 0.571429, 0.142857], [0, -0.5, 0.5]])
    close(normalised("l1", T), [[0.666667, 0.333333, 0], [0.166667, -0.166667, 0.666667]])
    close(mse_disagreement(S, T), [0.074074, 0.055556])
    expected = {"l1": 0.0648148148, "l2": 0.128648869, "zscore": 0.452849160, "softmax": 0.059093453, "raw": 0.625}
    for kind, value in expected.items():
        close(mse_disagreement(S, T, kind).mean(), value)


def test_standardised_rows_have_mean_0_and_deviation_1() -> None:
    z = zscore(S)
    close(z.mean(1), [0.0, 0.0])
    close(z.std(1), [1.0, 1.0])
    assert torch.isfinite(zscore(torch.ones(2, 3))).all()


def test_the_worked_example_of_logit_standardisation() -> None:
    assert float(9 * kd(zscore(S), zscore(T), 2.0)) == pytest.approx(2.414353783, abs=2e-6)


def test_the_divisor_of_a_zscore_is_the_deviation_plus_1e_7() -> None:
    z = torch.tensor([[0.0, 1e-7]], dtype=torch.float64)
    assert float(zscore(z)[0, 1]) == pytest.approx(0.5 / (2**-0.5 + 1))
