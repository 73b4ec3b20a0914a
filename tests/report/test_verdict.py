"""Verdicts against intervals worked out by hand."""

from __future__ import annotations

import pytest
from folders import write_run

from sparring.report import every_pair, groups, runs, verdicts
from sparring.report.verdict import interval, summary

T2, T3 = 4.302652730, 3.182446305  # the 97.5 % quantiles of Student's t with 2 and 3 degrees of freedom


def against(tmp_path, ours, theirs, *, first=0, **named):
    for seed, accuracy in enumerate(theirs):
        write_run(tmp_path / f"ce{seed}", method="ce", seed=seed, accuracy=accuracy)
    for seed, accuracy in enumerate(ours, start=first):
        write_run(tmp_path / f"kd{seed}", seed=seed, accuracy=accuracy, **named)
    (group,) = groups(runs(tmp_path))
    (verdict,) = verdicts(group)
    return verdict


def test_interval_by_hand():
    """1, 2, 3: mean 2, sd 1, half-width 4.3027 / √3."""
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2 - T2 / 3**0.5, 2 + T2 / 3**0.5))
    assert interval([1.0]) is None
    assert summary([2.0, 4.0]).sd == pytest.approx(2**0.5)
    assert summary([]) is None


def test_helps(tmp_path):
    """Differences .02 .03 .02 .03: mean .025, sd .0057735, half-width 3.1824 · .0057735 / 2 = .0091869."""
    v = against(tmp_path, [0.72, 0.73, 0.72, 0.73], [0.70] * 4)
    assert (v.word, v.n) == ("helps", 4)
    assert (v.mean, v.sd) == (pytest.approx(0.025), pytest.approx(0.00577350))
    assert (v.low, v.high) == (pytest.approx(0.0158131, abs=1e-6), pytest.approx(0.0341869, abs=1e-6))
    assert v.sentence == (
        "kd helps: 2.50 points more test accuracy than the same student on the labels alone (ce) "
        "(95 % interval +1.58 to +3.42, 4 shared seeds)."
    )


def test_hurts(tmp_path):
    v = against(tmp_path, [0.68, 0.67, 0.68, 0.67], [0.70] * 4)
    assert v.word == "hurts"
    assert "2.50 points less" in v.sentence
    assert "−3.42 to −1.58" in v.sentence


def test_cannot_tell_says_how_many_seeds_would(tmp_path):
    """Differences −.01 0 .04: mean .01, sd .0264575; t/√n first falls below mean/sd = .378 at n = 30."""
    v = against(tmp_path, [0.69, 0.70, 0.74], [0.70] * 3)
    assert (v.word, v.n) == ("cannot tell", 3)
    assert v.low < 0 < v.high
    assert v.seeds_needed == 30
    assert "About 30 shared seeds would tell" in v.sentence
    assert "contains 0" in v.sentence


def test_one_or_no_shared_seed_cannot_tell(tmp_path):
    one = against(tmp_path / "one", [0.9], [0.7])
    assert (one.word, one.n, one.low) == ("cannot tell", 1, None)
    assert "Two shared seeds are needed" in one.sentence
    none = against(tmp_path / "none", [0.9], [0.7], first=7)
    assert (none.word, none.n, none.mean) == ("cannot tell", 0, None)
    assert "share no seed" in none.sentence


def test_only_shared_seeds_are_paired(tmp_path):
    v = against(tmp_path, [0.80, 0.82, 0.99], [0.1, 0.7, 0.7], first=1)
    assert v.n == 2
    assert v.mean == pytest.approx(0.11)


def test_no_spread_is_no_certainty(tmp_path):
    v = against(tmp_path / "a", [0.71, 0.71], [0.70, 0.70])
    assert v.word == "cannot tell"
    assert "their spread is unknown" in v.sentence
    five_of_359 = against(tmp_path / "c", [305 / 359, 310 / 359], [300 / 359, 305 / 359])
    assert five_of_359.sd == 0
    assert five_of_359.word == "cannot tell"
    same = against(tmp_path / "b", [0.7, 0.7], [0.7, 0.7])
    assert same.word == "no difference"
    assert same.sentence.startswith("No difference: kd has the same test accuracy as the same student on the labels")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"epochs": 6}, "epochs 6 against 3"),
        ({"batch_size": 128}, "batch size 128 against 64"),
        ({"protocol": "paper"}, "protocol paper against honest"),
        ({"config": {"omit": ["3"]}}, "omit"),
        ({"config": {"optim.lr": 0.1}}, "optim.lr 0.1 against 0.05"),
        ({"manifest": {"data": {"name": "cifar100", "fingerprint": "beef"}}}, "fingerprints differ"),
    ],
)
def test_unequal_budgets_are_not_compared(tmp_path, other, why):
    v = against(tmp_path, [0.8, 0.81], [0.7, 0.7], **other)
    assert v.word == "not comparable"
    assert why in v.sentence
    assert "is not an equal comparison" in v.sentence


def test_of_two_baselines_the_equal_one_is_taken(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / f"short{seed}", method="ce", seed=seed, epochs=1, accuracy=0.5)
        write_run(tmp_path / f"long{seed}", method="ce", seed=seed, epochs=3, accuracy=0.7)
        write_run(tmp_path / f"kd{seed}", seed=seed, accuracy=0.75 + seed / 100)
    (group,) = groups(runs(tmp_path))
    (v,) = verdicts(group)
    assert v.against == "ce (epochs 3)"
    assert v.unequal == ()
    assert v.mean == pytest.approx(0.055)


def test_methods_are_set_against_each_other(tmp_path):
    for seed in range(3):
        write_run(tmp_path / f"kd{seed}", method="kd", seed=seed, accuracy=0.70 + seed / 1000)
        write_run(tmp_path / f"da{seed}", method="da", seed=seed, accuracy=0.72)
    (group,) = groups(runs(tmp_path))
    (pair,) = every_pair(group)
    assert verdicts(group) == []
    assert (pair.method, pair.against, pair.word) == ("da", "kd", "helps")
    assert pair.sentence.startswith("da is better than kd: da has 1.90 points more test accuracy (95 % interval")
