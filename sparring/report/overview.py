"""The whole page in one table: a row a student, with the best method and what is to be said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparring.report.groups import Arm, Group
from sparring.report.said import NOTHING, SMOKE_TEST
from sparring.report.table import EMPTY, Cell, Table, filled, spread
from sparring.report.units import signed
from sparring.report.verdict import Verdict, verdicts

NONE = "no verdict"


def overview(found: Sequence[Group]) -> Table | None:
    """The best method of each group beside its baseline; None where there is one group alone."""
    if len(found) < 2:
        return None
    best = [_best(group) for group in found]
    columns = {
        "student and data": [Cell(name(group), name(group)) for group in found],
        "best method": [Cell(arm.label, arm.label) for arm, _ in best],
        "test accuracy, %": [spread(arm.values("test", "accuracy"), 100) for arm, _ in best],
        "difference to baseline, points [95 %]": [_difference(verdict) for _, verdict in best],
        "verdict": [Cell(word, word) for word in map(word_for, found)],
    }
    return filled(columns)


def headline(found: Sequence[Group]) -> str:
    """How many students the best method helped, and of how many what else is to be said."""
    words = Counter(map(word_for, found))
    if words[SMOKE_TEST] == len(found):
        return NOTHING
    alone, helped = words.pop(NONE, 0), words.pop("helps", 0)
    compared = len(found) - alone
    if not compared:
        return "No verdict: no student here was trained both by a method and on the labels alone."
    beside = "; ".join(f"{word}: {count}" for word, count in words.most_common())
    told = f"The best method helps in {helped} of {compared} comparison{'' if compared == 1 else 's'}"
    more = f" {alone} more network{'' if alone == 1 else 's'} ha{'s' if alone == 1 else 've'} nothing to be set beside."
    return told + (f" ({beside})." if beside else ".") + (more if alone else "")


def name(group: Group) -> str:
    """What a group is called: its student and its data."""
    return f"{group.student} on {group.data}"


def word_for(group: Group) -> str:
    """The verdict on a group's best arm in a word; of a smoke test that it is one."""
    if group.smoke:
        return SMOKE_TEST
    _, verdict = _best(group)
    return verdict.word if verdict else NONE


def _best(group: Group) -> tuple[Arm, Verdict | None]:
    """The arm that is told first, and the verdict on it."""
    if told := verdicts(group):
        return next(arm for arm in group.arms if arm.label == told[0].method), told[0]
    return group.arms[0], None


def _difference(verdict: Verdict | None) -> Cell:
    if verdict is None or verdict.mean is None:
        return EMPTY
    ends = "" if verdict.low is None or verdict.high is None else f" [{signed(verdict.low)}, {signed(verdict.high)}]"
    return Cell(f"{signed(verdict.mean)}{ends} ({verdict.n})", verdict.mean)
