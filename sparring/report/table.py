"""The table of a group: one row an arm, for Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparring.keys import number as parsed
from sparring.report.groups import BASELINE, Arm, Group, settings
from sparring.report.kinds import PGD
from sparring.report.ledger import Run
from sparring.report.units import ball, duration, signed
from sparring.report.verdict import Verdict, against_baseline, compare, interval, shared, summary, word_of


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read in a table's cell, and what it is sorted by (None sorts last)."""

    text: str
    key: float | str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A heading a column and a row an arm; columns that nobody fills are left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


EMPTY = Cell("")
MEANS = {  # what a column's heading, before its unit, stands for
    "agreement with teacher": "on how many test images student and teacher name the same class, right or wrong",
    "NLL": "negative log-likelihood: the mean of -log p of the right class; less is better",
    "ECE": "expected calibration error: how far confidence is from being right, over 15 bins; 0 is best",
}
COLOUR = "8/255"  # the radius that nobody tells, which colour images alone have
ROBUST = "at"  # and what others are held against in that: adversarial training without a teacher


def table(group: Group) -> Table:
    """How each arm of a group did: mean ± standard deviation (n seeds), beside the baseline, the paper and the cost."""
    columns: dict[str, Callable[[Arm], Cell]] = {
        "method": lambda arm: Cell(arm.label, arm.label),
        "test accuracy, %": lambda arm: spread(arm.values("test", "accuracy"), 100),
        "difference to baseline, points": lambda arm: _difference(against_baseline(group, arm), arm),
        "verdict": lambda arm: _verdict(group, arm),
        "without the omitted, %": lambda arm: spread(arm.values("test_without", "accuracy"), 100),
        "the omitted only, %": lambda arm: spread(arm.values("test_only", "accuracy"), 100),
        "under PGD-10, %": lambda arm: _under_attack(group, arm),
        "under PGD-10, against at, points [95 %]": lambda arm: _withstanding(group, arm),
        "under PGD-10 at its best epoch, %": lambda arm: spread(_at_best(arm, PGD), 100),
        "best epoch on test, %": lambda arm: spread(arm.values("test_best", "accuracy"), 100),
        "published, %": lambda arm: published(claim(arm)),
        "agreement with teacher, %": lambda arm: aside(arm, ("test", "agreement"), 100),
        "NLL, nats": lambda arm: aside(arm, ("test", "nll"), 1, 3),
        "ECE, %": lambda arm: aside(arm, ("test", "ece"), 100),
        "epochs": lambda arm: plain(arm, "epochs"),
        "training time": lambda arm: time(arm.values("seconds")),
        "its earlier self's": lambda arm: time(arm.values("seconds_before")),
    }
    return filled({head: [cell(arm) for arm in group.arms] for head, cell in columns.items()})


def filled(columns: Mapping[str, Sequence[Cell]]) -> Table:
    """The table of some columns, without those that nobody fills."""
    kept = {head: cells for head, cells in columns.items() if any(cell.text for cell in cells)}
    return Table(tuple(kept), tuple(zip(*kept.values(), strict=True)))


def markdown_table(found: Table) -> str:
    """A table as GitHub shows it."""
    rows = [found.head, ["---"] * len(found.head), *([cell.text for cell in row] for row in found.rows)]
    return "\n".join("| " + " | ".join(_flat(text) for text in row) + " |" for row in rows)


def spread(values: Sequence[float], scale: float, digits: int = 2) -> Cell:
    """ "74.59 ± 0.24 (5)": the mean, the standard deviation and the number of seeds; empty for no values."""
    short = summary([value * scale for value in values])
    if short is None:
        return EMPTY
    sd = "" if short.sd is None else f" ± {short.sd:.{digits}f}"
    return Cell(f"{short.mean:.{digits}f}{sd} ({short.n})", short.mean)


def aside(arm: Arm, keys: tuple[str, ...], scale: float, digits: int = 2) -> Cell:
    """A number beside the headline: its n is said only where it is not that of the arm."""
    values = arm.values(*keys)
    cell = spread(values, scale, digits)
    return Cell(cell.text.rsplit(" (", 1)[0], cell.key) if len(values) == len(arm.runs) else cell


def paired(runs: Sequence[Run], others: Sequence[Run], value: Callable[[Run], float | None]) -> Cell:
    """By how much some runs differ from others of the same seeds, and what that says."""
    theirs = {run.seed: found for run in others if (found := value(run)) is not None}
    pairs = [(found, theirs[run.seed]) for run in runs if run.seed in theirs and (found := value(run)) is not None]
    differences = [a - b for a, b in pairs]
    if not differences or runs is others:
        return EMPTY
    short, ends = summary(differences), interval(differences)
    assert short is not None
    between = f" [{signed(ends[0])}, {signed(ends[1])}]" if ends else ""
    told = word_of(short, *(ends or (None, None)))
    return Cell(f"{signed(short.mean)}{between} ({short.n}), {told}", short.mean)


def claim(arm: Arm) -> Mapping[str, Any] | None:
    """The published number an arm set out to reproduce, where its recipe carries one."""
    return next((run.result["claim"] for run in arm.runs if run.result.get("claim")), None)


def _under_attack(group: Group, arm: Arm) -> Cell:
    """What an arm keeps under PGD-10; within which ball, where that is not the same for all."""
    cell = spread(arm.values("test", PGD), 100)
    balls = {each for other in group.arms if other.values("test", PGD) for each in _balls(other)}
    if len(balls) < 2 or not cell.text:
        return cell
    within = ", ".join(sorted(ball(norm or "linf", parsed(eps or COLOUR) or 0.0) for eps, norm in _balls(arm)))
    return Cell(f"{cell.text}, {within}", cell.key)


def _withstanding(group: Group, arm: Arm) -> Cell:
    """By how much an arm withstands PGD-10 better than adversarial training alone does, within the same ball and
    trained alike: of several such, the one that departs least from its method, which is then named."""
    rivals = [other for other in group.arms if _is_robust(other) and not other.teaches]
    alike = [other for other in rivals if _balls(other) == _balls(arm) and not compare(arm, other).unequal]
    if not alike or _is_robust(arm):
        return EMPTY
    plainest = min(alike, key=lambda other: (_departures(other), -len(shared(arm, other))))
    cell = paired(arm.runs, plainest.runs, lambda run: run.number("test", PGD))
    return Cell(f"{cell.text} ({plainest.label})", cell.key) if len(alike) > 1 and cell.text else cell


def _is_robust(arm: Arm) -> bool:
    return all(run.config.get("method") == ROBUST for run in arm.runs)


def _departures(arm: Arm) -> int:
    """How many options an arm has otherwise than its method's row."""
    return max(len(run.result.get("changes") or ()) for run in arm.runs)


def _balls(arm: Arm) -> set[tuple[str | None, str | None]]:
    """Within which (eps, norm) an arm's training attacks, as its runs were told."""
    told = [settings(run).items() for run in arm.runs]
    named = [{key.rpartition(".")[2]: said for key, said in each if key.startswith("perturb.")} for each in told]
    return {(each.get("eps"), each.get("norm")) for each in named}


def _at_best(arm: Arm, metric: str) -> list[float]:
    """A metric of every run that has it on its test images, at the epoch that was best on validation images."""
    chosen = [run for run in arm.runs if run.result.get("best_epoch")]  # none without validation images
    pairs = ((run.number("test_at_best_validation", metric), run.number("test", metric)) for run in chosen)
    found = (last if best is None else best for best, last in pairs)  # the last where that was the best
    return [value for value in found if value is not None]


def _difference(verdict: Verdict | None, arm: Arm) -> Cell:
    if verdict is None or verdict.mean is None or arm.method == BASELINE:
        return EMPTY
    ends = "" if verdict.low is None or verdict.high is None else f" [{signed(verdict.low)}, {signed(verdict.high)}]"
    return Cell(f"{signed(verdict.mean)}{ends} ({verdict.n})", verdict.mean)


def _verdict(group: Group, arm: Arm) -> Cell:
    """The word on an arm; of a search's finalists it is told beside the search, and none has a baseline."""
    if arm.method == BASELINE:
        return Cell("baseline", "") if group.contenders else EMPTY
    verdict = against_baseline(group, arm)
    if verdict is None:
        return EMPTY if group.searched else Cell("no baseline", "z")
    return Cell(verdict.word, verdict.word)


def published(found: Mapping[str, Any] | None) -> Cell:
    """A claim as it is kept beside a run: "74.59 ± 0.24 (5)", the mean alone where no more is told."""
    if found is None:
        return EMPTY
    mean, sd, n = (found["published"][key] for key in ("mean", "sd", "n"))
    more = ("" if sd is None else f" ± {sd:.2f}") + ("" if n is None else f" ({n})")
    return Cell(f"{mean:.2f}{more}", mean)


def plain(arm: Arm, key: str) -> Cell:
    """What a number of an arm's result is in its runs, each value once."""
    values = sorted(set(arm.values(key)))
    return Cell(", ".join(f"{value:g}" for value in values), values[0]) if values else EMPTY


def time(values: Sequence[float]) -> Cell:
    """The mean of some times, given in seconds, as one says it; empty for none."""
    short = summary(values)
    return Cell(duration(short.mean), short.mean) if short else EMPTY


def _flat(text: str) -> str:
    """Text that can neither end a cell nor start a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
