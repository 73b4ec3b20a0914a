"""How a recipe stands in a few words: only what its claim is about (`Row.about`), and each difference once.

A difference that was measured in several places is told by the place with the most seeds that have both lines; of
equally many by the one that attached.py names first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attached import Evidence

from sparring.recipes.rows import Row
from sparring.report.asked import NAMES
from sparring.report.differences import Difference
from sparring.report.judged import Judged
from sparring.report.reproduced import Reproduced
from sparring.report.table import Cell, Table, filled

ORDER = ("matches", "within noise", "misses", "agrees", "contradicts", "cannot tell", "not run")
SEVERAL = {"matches": "match", "misses": "miss", "agrees": "agree", "contradicts": "contradict"}
NOTHING = "nothing is printed to hold it to"
ALONE = ("within noise", "not run")  # words that a single one "is"
Found = Sequence[tuple[Evidence, Reproduced]]
Key = tuple[str, str, str, str]  # row, line, line, metric


@dataclass(frozen=True, slots=True)
class Spoken:
    """A difference of a row, and the place that speaks for it; others: the places that do not."""

    row: str
    place: str
    difference: Difference
    others: Sequence[tuple[str, Difference]]


def spoken(found: Found) -> list[Spoken]:
    """Each difference of each row that was measured, by the place with the most seeds."""
    pots: dict[Key, list[tuple[str, Difference]]] = {}
    for evidence, row in found:
        for each in row.differences:
            if each.ours is not None:
                key = (row.name, each.upper, each.lower, each.metric)
                place = "/".join(filter(None, (evidence.folder, evidence.lines.get(each.upper))))
                pots.setdefault(key, []).append((place, each))
    told = []
    for (row, *_), places in pots.items():
        place, best = max(places, key=lambda each: each[1].ours.n if each[1].ours else 0)  # the first of equally many
        told.append(Spoken(row, place, best, [each for each in places if each[1] is not best]))
    return told


def numbers(found: Found, rows: Iterable[Row]) -> list[Judged]:
    """The printed numbers that a claim is about, each once: of the lines that it puts first, of all where it puts none
    first; of students and data that are the paper's."""
    about = {row.name: {(upper, metric) for upper, _, metric in row.about} for row in rows}
    pots: dict[tuple[str, tuple[str, str]], list[Judged]] = {}
    for _, row in found:
        for key, each in row.numbers.items():
            if each is not None and (key in about[row.name] or not about[row.name]):
                pots.setdefault((row.name, key), []).append(each)
    return [max(each, key=lambda judged: judged.n) for each in pots.values()]


def in_short(found: Found, rows: Sequence[Row]) -> str:
    """What the kept runs say of a recipe's claim. rows: all that the recipe has at that scale."""
    scales = "/".join(dict.fromkeys(evidence.scale for evidence, _ in found))
    held = Counter[str](each.status for each in numbers(found, rows))
    ways = [each.difference for each in spoken(found) if each.difference.claimed]
    parts = [amount(held, "number", "match")] if held else []
    if any(row.about for row in rows):
        parts.append(directions([each for each in ways if not each.matched], printed(rows)))
        if any(row.matched for row in rows):
            fair = [each for each in ways if each.matched]
            parts.append(f"against a rival of as many updates {directions(fair, printed(rows))}")
    elif not held:
        some = any(row.claims for row in rows)
        parts.append("another scale, so the numbers say nothing of the paper's" if some else NOTHING)
    return f"{scales} scale: {'; '.join(parts)}"


def printed(rows: Iterable[Row]) -> int:
    """Of how many differences the rows' claims speak."""
    return sum(all(metric in row.claims.get(line, {}) for line in pair) for row in rows for *pair, metric in row.about)


def directions(found: Sequence[Difference], asked: int) -> str:
    """ "1 of the claim's 4 differences agrees, in no equal comparison (2 cannot tell, 1 not run)"."""
    words = Counter[str](each.word for each in found) + Counter({"not run": asked - len(found)})
    return amount(words, "difference", "agree", equal([each for each in found if each.word == "agrees"]))


def equal(found: Sequence[Difference]) -> str:
    """Whether differences are of runs that were trained alike, as the end of a phrase; empty where all are."""
    unlike = sum(bool(each.unlike) for each in found)
    return f", {f'{unlike} of them ' if unlike < len(found) else ''}in no equal comparison" if unlike else ""


def amount(words: Mapping[str, int], what: str, good: str, aside: str = "") -> str:
    """ "3 of the claim's 4 numbers match (1 misses)", "the claim's difference contradicts". aside: of the good ones."""
    many = sum(words.values())
    if many == 1:
        (word,) = (word for word in words if words[word])
        return f"the claim's {what} {'is ' * (word in ALONE)}{word}{aside}"
    first = next(word for word, plural in SEVERAL.items() if plural == good)
    rest = ", ".join(counted(word, words[word]) for word in ORDER if words.get(word) and word != first)
    begin = f"{words.get(first, 0)} of the claim's {many} {what}s {good if words.get(first) != 1 else first}{aside}"
    return begin + (f" ({rest})" if rest else "")


def counted(word: str, many: int) -> str:
    """ "2 match", "1 misses"."""
    return f"{many} {SEVERAL.get(word, word) if many != 1 else word}"


def told(found: Found) -> tuple[Table | None, str]:
    """What the status counts, difference by difference, with where it was measured; and the rest in a sentence."""
    every = spoken(found)
    counts = [each for each in every if each.difference.claimed]
    columns = {
        "row": [each.row for each in counts],
        "difference": [each.difference.shown for each in counts],
        "of": [NAMES.get(each.difference.metric, each.difference.metric) for each in counts],
        "direction (seeds)": [said(each.difference) for each in counts],
        "told by": [each.place for each in counts],
        "measured too, and not counted": [
            "; ".join(f"{place}: {said(other)}" for place, other in each.others) for each in counts
        ],
    }
    table = filled({head: [Cell(text) for text in cells] for head, cells in columns.items()}) if counts else None
    pots: dict[str, list[Difference]] = {}
    for each in (each.difference for each in every if not each.difference.claimed):
        pots.setdefault(f"{each.shown} of {NAMES.get(each.metric, each.metric)}", []).append(each)
    rest = [f"{pair}: {', '.join(counted(*word) for word in of(each))}{equal(each)}" for pair, each in pots.items()]
    return table, f"Not counted, for the claim is not about them: {'; '.join(rest)}." if rest else ""


def of(found: Iterable[Difference]) -> list[tuple[str, int]]:
    """How many differences came to which word."""
    words = Counter[str](each.word for each in found)
    return [(word, words[word]) for word in ORDER if words[word]]


def said(found: Difference) -> str:
    """ "agrees (3)", and whether the comparison is none of equals."""
    return f"{found.word} ({found.ours.n if found.ours else 0}){equal([found])}"
