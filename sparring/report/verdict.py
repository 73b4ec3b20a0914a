"""Did it help? Paired differences over shared seeds, their interval, and a word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from scipy.stats import t as student_t

from sparring.report.groups import BASELINE, Arm, Group, named_alike
from sparring.report.ledger import Run
from sparring.report.units import amount, signed

Word = Literal["helps", "hurts", "does not help", "no difference", "cannot tell", "not comparable"]
BETTER: Mapping[str, str] = {  # the words for two methods, of which neither is the student alone
    "helps": "is better than",
    "hurts": "is worse than",
    "does not help": "is not better than",
}
# Settings of training itself: where two arms differ in one, their difference is not the method's alone.
TRAINING = {"optim", "augment", "val", "omit", "size", "normalise", "precision"}


@dataclass(frozen=True, slots=True)
class Summary:
    """Some numbers in short: their mean, standard deviation (ddof 1; None for fewer than two), and how many."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the shared seeds of two arms say of a difference in test accuracy (fractions, `method` minus `against`).

    low, high: the 95 % t-interval of the mean difference; None, as sd is, for fewer than two shared seeds.
    unequal: why the comparison is not one of like with like; empty where it is. seeds_needed: how many shared seeds
    would tell, where that can be guessed from the spread seen. baseline: whether `against` is the student on the labels
    alone. sizes: the parameters of both, where they differ.
    """

    method: str
    against: str
    word: Word
    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    unequal: tuple[str, ...] = ()
    seeds_needed: int | None = None
    baseline: bool = False
    sizes: tuple[float, float] | None = None

    @property
    def sentence(self) -> str:
        """The verdict as a person would say it, in points of a percent."""
        return _sentence(self)


def summary(values: Sequence[float]) -> Summary | None:
    """The mean, the sample standard deviation and the count of some numbers; None for none. Numbers that differ by what
    arithmetic leaves over alone (5 of 359 images more, twice) have a deviation of 0."""
    if not values:
        return None
    values = [round(value, 12) for value in values]
    return Summary(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % t-interval of the mean of paired differences; None for fewer than two."""
    found = summary(differences)
    if found is None or found.sd is None:
        return None
    half = float(student_t.ppf(0.975, found.n - 1)) * found.sd / math.sqrt(found.n)
    return found.mean - half, found.mean + half


def compare(method: Arm, against: Arm) -> Verdict:
    """Set two arms beside each other, seed by seed, on their test accuracy at the last epoch."""
    pairs = shared(method, against)
    differences = [_accuracy(a) - _accuracy(b) for a, b in pairs]
    short, ends = summary(differences), interval(differences)
    low, high = ends or (None, None)
    unequal = tuple(dict.fromkeys(why for pair in pairs or _any_pair(method, against) for why in set_apart(*pair)))
    word = "not comparable" if unequal else word_of(short, low, high)
    return Verdict(
        method=method.label,
        against=against.label,
        word=word,
        n=len(pairs),
        mean=short.mean if short else None,
        sd=short.sd if short else None,
        low=low,
        high=high,
        unequal=unequal,
        seeds_needed=_needed(short) if word == "cannot tell" else None,
        baseline=against.method == BASELINE,
        sizes=_sizes(method, against),
    )


def verdicts(group: Group) -> list[Verdict]:
    """Each arm of a group against its baseline: the one it can be fairly compared with, where there is one."""
    return [verdict for arm in group.contenders if (verdict := against_baseline(group, arm))]


def against_baseline(group: Group, arm: Arm) -> Verdict | None:
    """One arm against the baseline: of several, an equal one with the most shared seeds. None without a baseline."""
    found = [compare(arm, baseline) for baseline in group.baselines if baseline is not arm]
    return min(found, key=lambda verdict: (bool(verdict.unequal), -verdict.n), default=None)


def every_pair(group: Group) -> list[Verdict]:
    """Each two arms of a group that are not the baseline, the earlier one against the other (DA against KD); none of a
    search's finalists, which are told of there."""
    arms = () if group.searched else group.contenders
    return [compare(a, b) for i, a in enumerate(arms) for b in arms[i + 1 :]]


def shared(a: Arm, b: Arm) -> list[tuple[Run, Run]]:
    """The runs of two arms that have the same seed, in pairs."""
    theirs = {run.seed: run for run in b.runs if run.seed is not None}
    return [(run, theirs[run.seed]) for run in a.runs if run.seed in theirs]


def _sizes(a: Arm, b: Arm) -> tuple[float, float] | None:
    """The parameters of two arms' students, where they differ (SimKD's holds a projector)."""
    found = a.values("parameters")[:1] + b.values("parameters")[:1]
    return (found[0], found[1]) if len(set(found)) == 2 else None


def _accuracy(run: Run) -> float:
    return run.number("test", "accuracy") or 0.0  # the ledger counts no run without one as finished


def _any_pair(a: Arm, b: Arm) -> list[tuple[Run, Run]]:
    return [(a.runs[0], b.runs[0])]


def set_apart(a: Run, b: Run) -> list[str]:
    """Why a difference between two runs would not be their methods' alone."""
    told = named_alike((a, b))
    one, two = told[a.path], told[b.path]
    keys = ["epochs", "batch_size", "protocol", "teacher", "teacher's weights"]
    keys += ["start's weights"] if "start" in one else []  # of those made in Python each run may have had its own
    keys += sorted(key for key in one.keys() & two.keys() if key.split(".")[0] in TRAINING or key.endswith(".py"))
    why = [
        f"{key.replace('_', ' ')} {one.get(key)} against {two.get(key)}"
        for key in keys
        if one.get(key) != two.get(key) and None not in (one.get(key), two.get(key))
    ]
    if one.get("start") != two.get("start"):
        why.append("a start from {} against one from {}".format(*(each.get("start", "chance") for each in (one, two))))
    why += [f"student {a.student} against {b.student}"] if a.student != b.student else []
    why += [f"data {a.data} against {b.data}"] if a.data != b.data else []
    if a.fingerprint and b.fingerprint and a.fingerprint != b.fingerprint:
        why.append("other contents of the data set (its fingerprints differ)")
    return why


def word_of(short: Summary | None, low: float | None, high: float | None) -> Word:
    """What paired differences say of whether something helps, by their mean and its 95 % interval."""
    if short is None or low is None or high is None:
        return "cannot tell"
    if short.sd == short.mean == 0:
        return "no difference"
    if short.sd == 0:  # an interval of no width claims a certainty that so few seeds cannot give
        return "cannot tell"
    if low > 0:
        return "helps"
    if high < 0:
        return "hurts"
    return "does not help" if high == 0 else "cannot tell"


def _needed(short: Summary | None) -> int | None:
    """The fewest seeds whose interval would leave 0 out, were mean and spread to stay; None where none below 1000, and
    for fewer than three, whose spread says nothing of that."""
    if short is None or not short.sd or not short.mean or short.n < 3:
        return None
    for n in range(2, 1000):
        if float(student_t.ppf(0.975, n - 1)) * short.sd / math.sqrt(n) < abs(short.mean):
            return max(n, short.n + 1)
    return None


def _sentence(v: Verdict) -> str:
    """A verdict in words: against the student alone whether a method helps, of two methods which is better."""
    seeds = f"{v.n} shared seed{'' if v.n == 1 else 's'}"
    ends = "" if v.low is None or v.high is None else f"95 % interval {signed(v.low)} to {signed(v.high)}, "
    seen = _seen(v)
    if v.unequal:
        tail = "." if v.mean is None else f" (seen: {seen}; {ends}{seeds})."
        return f"{v.method} against {v.against} is not an equal comparison: {'; '.join(v.unequal)}{tail}"
    if v.mean is None:
        return f"Cannot tell: {seen}. Train both on the same seeds, two at the least."
    open_ = f"Cannot tell whether {v.method} {'helps' if v.baseline else f'is better than {v.against}'}: {seen}"
    if v.n < 2:
        return f"{open_}, but on {seeds}. Two shared seeds are needed at the least."
    if v.word == "no difference":
        against = f"the same student on the labels alone ({v.against})" if v.baseline else v.against
        return f"No difference: {v.method} has the same test accuracy as {against} on each of {seeds}."
    if v.word == "cannot tell" and v.sd == 0:
        return f"{open_} on each of {seeds}, exactly, so their spread is unknown."
    if v.word == "cannot tell":
        more = f" About {v.seeds_needed} shared seeds would tell, if this holds." if v.seeds_needed else ""
        return f"{open_} ({ends}which contains 0; {seeds}).{more}"
    word = v.word if v.baseline else f"{BETTER[v.word]} {v.against}"
    return f"{v.method} {word}: {seen} ({ends}{seeds})."


def _seen(v: Verdict) -> str:
    """The difference of a verdict: "1.20 points more test accuracy"; against the student alone, that it is so."""
    against = f"the same student on the labels alone ({v.against})" if v.baseline else v.against
    sizes = ""
    if v.sizes:
        own, theirs = map(amount, v.sizes)
        kind = "the student on the labels alone, " if v.baseline else ""
        against = f"{kind}{v.against} (of {theirs} parameters to its {own})"
        sizes = f", with {own} parameters to its {theirs}"
    if v.mean is None:
        return f"{v.method} and {against} share no seed"
    points = f"{abs(v.mean) * 100:.2f} points {'more' if v.mean >= 0 else 'less'} test accuracy"
    return f"{points} than {against}" if v.baseline else f"{v.method} has {points}{sizes}"
