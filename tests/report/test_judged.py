"""Ours beside a published number: the intervals are the textbook's, and each word has its meaning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sparring.report.judged import direction_of, judge, order, status_of, welch
from sparring.report.verdict import Summary

OURS = [98.1, 98.3, 98.2, 98.4, 98.25]


def claim(mean, sd=None, n=None):
    return {"published": {"mean": mean, "sd": sd, "n": n}}


def held(values, told):
    """What is made of both, where there is something to make."""
    found = judge(values, told)
    assert found is not None
    return found


def test_the_interval_is_welchs_where_the_published_spread_is_known():
    theirs = np.array([73.96, 73.69, 73.41, 73.87, 73.38])  # DA's logs: KD on resnet8x4
    found = held(OURS, claim(float(theirs.mean()), float(theirs.std(ddof=1)), 5))
    expected = stats.ttest_ind(OURS, theirs, equal_var=False).confidence_interval()
    assert found.ends == pytest.approx((expected.low, expected.high))
    assert (found.welch, found.status) == (True, "misses")
    assert found.told == f"misses by {np.mean(OURS) - theirs.mean():.2f}"


def test_ours_alone_is_held_against_a_fixed_number():
    found = held(OURS, claim(98.73))
    expected = stats.ttest_1samp(OURS, 98.73).confidence_interval()
    assert found.ends == pytest.approx((expected.low - 98.73, expected.high - 98.73))
    assert not found.welch
    assert found.shown.startswith("−0.48 [")


def test_each_status_has_its_interval():
    assert status_of((-0.2, 0.3), 0.5) == "matches"
    assert status_of((0.1, 0.3), 0.5) == "matches"  # apart, and by nothing that matters
    assert status_of((-0.2, 0.9), 0.5) == "within noise"
    assert status_of((0.1, 0.9), 0.5) == "misses"
    assert status_of(None, 0.5) == "cannot tell"
    wide = [70.0, 70.2, 69.9]
    assert held(wide, claim(70.8, 0.1, 3)).status == "misses"
    assert held(wide, claim(70.8, 1.5, 30)).status == "matches"  # within one published sd


def test_nothing_is_judged_where_a_side_is_missing():
    assert judge([], claim(98.0)) is None
    assert judge(OURS, None) is None
    one = held([98.0], claim(98.0, 0.1, 5))
    assert (one.status, one.ends, one.shown) == ("cannot tell", None, "+0.00")
    assert held([0.0, 0.0, 0.0], claim(0.0)).status == "matches"
    assert held([80.0, 80.0, 80.0], claim(80.2)).status == "cannot tell"  # though within the margin
    assert held([80.0, 80.0, 80.0], claim(85.0)).status == "cannot tell"
    assert welch(Summary(1.0, 0.0, 2), Summary(2.0, 0.0, 2)) is None


def test_a_direction_is_paired_over_the_seeds():
    da = {0: 42.5, 1: 42.8, 2: 42.2, 7: 99.0}
    kd = {0: 43.0, 1: 43.1, 2: 42.7}
    found = order(da, kd, claim(74.59, 0.24, 5), claim(73.66, 0.26, 5))
    assert found is not None
    expected = stats.ttest_rel([42.5, 42.8, 42.2], [43.0, 43.1, 42.7]).confidence_interval()
    assert (found.direction, found.n) == ("contradicts", 3)
    assert found.ends == pytest.approx((expected.low, expected.high))
    assert found.printed_ends is not None
    assert (found.printed, found.gap) == pytest.approx((0.93, -1.3 / 3))
    assert found.printed_ends[0] > 0
    assert order(da, {}, claim(1.0), claim(2.0)) is None


@pytest.mark.parametrize(
    ("told", "ends", "word"),
    [
        (0.9, (0.1, 0.5), "agrees"),
        (-0.9, (-0.5, -0.1), "agrees"),
        (0.9, (-0.5, -0.1), "contradicts"),
        (0.9, (-0.1, 0.5), "cannot tell"),
        (0.0, (0.1, 0.5), "cannot tell"),
        (0.9, None, "cannot tell"),
        (0.9, (0.2, 0.2), "cannot tell"),
    ],
)
def test_a_direction_needs_an_interval_on_one_side_of_zero(told, ends, word):
    assert direction_of(told, ends) == word
