"""The methods against the baseline and against each other: a figure of intervals, and a table of every pair."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes

from sparring.report.bars import named_rows
from sparring.report.figures import COLOURS, INK, svg
from sparring.report.groups import Group
from sparring.report.units import signed
from sparring.report.verdict import Verdict, compare, verdicts

SEEN = {"helps": COLOURS[2], "hurts": COLOURS[6], "does not help": COLOURS[6]}
FEWEST = 4  # arms whose pairs are too many to be read one by one


@dataclass(frozen=True, slots=True)
class Duel:
    """One cell of the table of pairs: the difference in points, the word for it, and the whole sentence."""

    text: str
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Contest:
    """Every arm against every other: names, and a row of cells an arm (None on the diagonal)."""

    names: tuple[str, ...]
    rows: tuple[tuple[Duel | None, ...], ...]


def intervals(group: Group) -> str | None:
    """Each arm's difference to the baseline in test accuracy, with its 95 % interval; None where there is none."""
    found = [verdict for verdict in reversed(verdicts(group)) if verdict.mean is not None]
    if not any(verdict.low is not None for verdict in found):
        return None

    def draw(ax: Axes) -> None:
        for row, verdict in enumerate(found):
            _interval(ax, row, verdict)
        named_rows(ax, [verdict.method for verdict in found])
        ax.set_xlabel("difference to the baseline in test accuracy, points")
        ax.margins(x=0.06)

    return svg(draw, height=0.7 + 0.5 * len(found))


def _interval(ax: Axes, row: int, verdict: Verdict) -> None:
    assert verdict.mean is not None
    colour = SEEN.get(verdict.word, COLOURS[7])
    ax.plot([0, 0], [row - 0.16, row + 0.16], color=INK, linewidth=1.2)
    if verdict.low is not None and verdict.high is not None:
        ax.plot([100 * verdict.low, 100 * verdict.high], [row, row], color=colour, linewidth=2.4)
    fill = colour if verdict.word in SEEN else "none"
    ax.plot([100 * verdict.mean], [row], "o", color=colour, markerfacecolor=fill, markersize=7)


def contest(group: Group) -> Contest | None:
    """The table of pairs, for groups with so many arms that sentences alone would be hard to read; without the
    teachers of a reproduced table, which share no seed with anyone."""
    arms = [arm for arm in group.contenders if not arm.teaches]
    if len(arms) < FEWEST:
        return None
    rows = [tuple(None if a is b else _duel(compare(a, b)) for b in arms) for a in arms]
    return Contest(tuple(arm.label for arm in arms), tuple(rows))


def _duel(verdict: Verdict) -> Duel:
    text = "" if verdict.mean is None else signed(verdict.mean)
    return Duel(f"≠ {text}" if text and verdict.unequal else text, verdict.word, verdict.sentence)
