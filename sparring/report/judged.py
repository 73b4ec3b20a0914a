"""Ours beside a published number: the difference, its 95 % interval, and a word for what that says.

A line *matches* where the interval lies within a margin around the published mean: half a point, or one published
standard deviation where that is more. It is *within noise* where the interval holds 0 and reaches beyond the margin,
and it *misses* where it leaves 0 out and reaches beyond the margin. One run has no interval, and several that are equal
one of no width: they *cannot tell*, but where all are the published number itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scipy.stats import t as student_t

from sparring.report.units import signed
from sparring.report.verdict import Summary, interval, summary

MARGIN = 0.5  # points of a percent
Status = Literal["matches", "within noise", "misses", "cannot tell"]
Direction = Literal["agrees", "contradicts", "cannot tell"]
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """How far our mean is from a published one, in points, with its 95 % interval (None: one run), and what it says.

    welch: whether the interval counts the published runs' spread too, and not ours alone against a fixed number. n: how
    many runs of ours.
    """

    status: Status
    gap: float
    ends: Ends | None
    welch: bool
    n: int

    @property
    def shown(self) -> str:
        """The difference as a table has it: "−0.45 [−0.52, −0.38]"."""
        return pointed(self.gap, self.ends)

    @property
    def told(self) -> str:
        """The status as a table has it; of a miss, by how much."""
        return f"misses by {abs(self.gap):.2f}" if self.status == "misses" else self.status


@dataclass(frozen=True, slots=True)
class Order:
    """What the paper and we say of one line against another, in points: both differences, and whether they agree.

    ends: ours, paired over the shared seeds; printed_ends: the paper's, by Welch, where its spreads are known.
    """

    direction: Direction
    printed: float
    printed_ends: Ends | None
    gap: float
    ends: Ends | None
    n: int


def judge(values: Sequence[float], claim: Mapping[str, Any] | None) -> Judged | None:
    """Hold our runs' values (in %) against a claim as a plan keeps it; None where one of them is not there."""
    ours = summary(values)
    if ours is None or claim is None:
        return None
    theirs = printed(claim)
    gap = ours.mean - theirs.mean
    ends = welch(ours, theirs)
    both = ends is not None
    if ends is None and (alone := interval(values)) is not None:
        ends = alone[0] - theirs.mean, alone[1] - theirs.mean
    return Judged(status_of(ends, max(MARGIN, theirs.sd or 0.0)), gap, ends, both, ours.n)


def status_of(ends: Ends | None, margin: float) -> Status:
    """The word for a 95 % interval of a difference, in points."""
    if ends is None or ends[0] == ends[1] != 0:  # an interval of no width claims what so few seeds cannot give
        return "cannot tell"
    if -margin <= ends[0] and ends[1] <= margin:
        return "matches"
    return "within noise" if ends[0] <= 0 <= ends[1] else "misses"


def order(
    ours: Mapping[int, float], others: Mapping[int, float], claim: Mapping[str, Any], other: Mapping[str, Any]
) -> Order | None:
    """What the paper says of a line against another, and what our runs (in %, by seed) say; None for no shared seed."""
    differences = [value - others[seed] for seed, value in ours.items() if seed in others]
    short = summary(differences)
    if short is None:
        return None
    one, two = printed(claim), printed(other)
    ends = interval(differences)
    return Order(
        direction_of(one.mean - two.mean, ends), one.mean - two.mean, welch(one, two), short.mean, ends, short.n
    )


def direction_of(told: float, ends: Ends | None) -> Direction:
    """Whether an interval lies on the side of 0 that the paper's difference lies on."""
    if ends is None or ends[0] <= 0 <= ends[1] or ends[0] == ends[1] or told == 0:
        return "cannot tell"
    return "agrees" if (ends[0] > 0) == (told > 0) else "contradicts"


def welch(a: Summary, b: Summary) -> Ends | None:
    """Welch's 95 % interval of the difference of two means; None where either spread or count is not known."""
    if a.sd is None or b.sd is None or min(a.n, b.n) < 2:
        return None
    parts = a.sd**2 / a.n, b.sd**2 / b.n
    if not sum(parts):
        return None
    free = sum(parts) ** 2 / (parts[0] ** 2 / (a.n - 1) + parts[1] ** 2 / (b.n - 1))
    half = float(student_t.ppf(0.975, free)) * math.sqrt(sum(parts))
    return a.mean - b.mean - half, a.mean - b.mean + half


def printed(claim: Mapping[str, Any]) -> Summary:
    """A claim's number in %; n is 0 where it is not told."""
    told = claim["published"]
    return Summary(told["mean"], told["sd"], told["n"] or 0)


def pointed(gap: float, ends: Ends | None) -> str:
    """A difference in points with its interval: "+0.18 [+0.06, +0.30]"."""
    return signed(gap / 100) + (f" [{signed(ends[0] / 100)}, {signed(ends[1] / 100)}]" if ends else "")
