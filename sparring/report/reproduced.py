"""A reproduced table beside the published one: what `sparring reproduce` left in its folder, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.report.asked import NAMES, value_of
from sparring.report.differences import NOT_RUN, Difference, differences
from sparring.report.groups import TEACHERS
from sparring.report.judged import MARGIN, Judged, judge
from sparring.report.ledger import Run, lying, runs
from sparring.report.planned import PLANS, planned
from sparring.report.ran import lengths, networks
from sparring.report.table import EMPTY, Cell, Table, filled, paired, published, spread
from sparring.report.units import duration
from sparring.report.verdict import summary

ELSEWHERE, SMOKE = "another scale", "smoke"
WELCH, ALONE = "by Welch, with the published spread", "of ours alone, against a fixed number"


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One row of a published table. title: which, at what scale, and what ran; note: the protocols, ours and the
    paper's.

    differences: the paper's between lines, beside ours. numbers: by line and metric how ours stands beside what is
    printed, of students and data that are the paper's; None where it was not run.
    """

    name: str
    title: str
    note: str
    table: Table
    differences: Sequence[Difference] = ()
    numbers: Mapping[tuple[str, str], Judged | None] = field(default_factory=dict)


def reproduced(paths: Iterable[str | Path] | str | Path) -> list[Reproduced]:
    """The rows of every recipe whose folder is among `paths`, in which at least one run is finished."""
    found = []
    for file in lying([paths] if isinstance(paths, str | Path) else paths, PLANS):
        plan, _ = planned(file)
        rows = (row_beside(plan, row, file.parent) for row in plan.get("rows", ()))
        found += [row for row in rows if row is not None]
    return found


def row_beside(plan: Mapping[str, Any], row: Mapping[str, Any], folder: Path) -> Reproduced | None:
    """A row of a plan (its `name` and `scale`, and one of its `rows`) whose lines' runs lie below `folder`; None where
    none is finished."""
    ours = {line["name"]: _finished(folder / line["runs"]) if line["runs"] else [] for line in row["lines"]}
    if not any(ours.values()):
        return None
    columns: dict[str, list[Cell]] = {"line": [Cell(line["name"], line["name"]) for line in row["lines"]]}
    found: dict[tuple[str, str], Judged | None] = {}
    smoke = plan["scale"] == "smoke"
    for metric in row["metrics"]:
        more, judged = _metric(row, metric, ours, smoke=smoke)
        columns |= more
        found |= judged
    columns["training, each"] = [_cost(ours[line["name"]]) for line in row["lines"]]
    numbers = found if row["like"] else {}
    held = [each for each in numbers.values() if each]
    ran = f"Epochs (seeds) that ran: {lengths(ours)}."
    note = " ".join([ran, row["note"], *_sources(row), _ours(ours.values()), *_said(held)])
    title = f"{plan['name']}, {plan['scale']} scale: {row['name']} (ran: {networks(ours)})"
    apart = [] if smoke else differences(row, ours)
    return Reproduced(row["name"], title, note.strip(), filled(columns), apart, numbers)


def _metric(
    row: Mapping[str, Any], metric: str, ours: Mapping[str, list[Run]], *, smoke: bool
) -> tuple[dict[str, list[Cell]], dict[tuple[str, str], Judged | None]]:
    """A metric's columns, and by line and metric what our runs make of each of its claims."""
    shown, lines = NAMES.get(metric, metric), row["lines"]
    values = [list(_by_run(ours[line["name"]], row, metric)) for line in lines]
    claims = [line["claims"].get(metric) for line in lines]
    judged = [judge(*pair) for pair in zip(values, claims, strict=True)]
    of = f" ({row['printed_of']})" if row.get("printed_of") else ""
    columns = {
        f"{shown}: published{of}, %": [published(claim) for claim in claims],
        f"{shown}: ours, %": [spread(each, 1) for each in values],
    }
    if row["like"]:
        columns[f"{shown}: difference, points [95 %]"] = [Cell(e.shown, e.gap) if e else EMPTY for e in judged]
    if any(claims):
        unlike = "" if row["like"] else SMOKE if smoke else ELSEWHERE
        columns[f"{shown}: status"] = [_status(*each, unlike) for each in zip(values, claims, judged, strict=True)]
    for line in row.get("against", ()):
        columns[f"{shown}: against {line}, points [95 %]"] = [
            EMPTY
            if TEACHERS in Path(each["runs"] or "").parts  # which is no way of training the row's student
            else paired(ours[each["name"]], ours[line], lambda run: value_of(run, metric, row))
            for each in lines
        ]
    held = zip(lines, claims, judged, strict=True)
    return columns, {(line["name"], metric): each for line, claim, each in held if claim}


def _status(values: Sequence[float], claim: Mapping[str, Any] | None, judged: Judged | None, unlike: str) -> Cell:
    """The word of a line; where students and data are not the paper's, that they are not."""
    if claim is None:
        return EMPTY
    told = (unlike or judged.told) if values and judged else NOT_RUN
    return Cell(told, told)


def _by_run(found: Iterable[Run], row: Mapping[str, Any], metric: str) -> Iterable[float]:
    """A metric of every run that has it, in %."""
    return (100 * value for run in found if (value := value_of(run, metric, row)) is not None)


def _finished(folder: Path) -> list[Run]:
    """The finished runs in a line's folder; none where none has begun."""
    try:
        return [run for run in runs(folder) if run.finished]
    except UserError:
        return []


def _cost(found: Sequence[Run]) -> Cell:
    """How long a run of a line took to train, its earlier self's training with it."""
    told = [run.number("seconds") for run in found]
    before = [run.number("seconds_before") or 0.0 for run in found]
    short = summary([a + b for a, b in zip(told, before, strict=True) if a is not None])
    return Cell(duration(short.mean), short.mean) if short else EMPTY


def _sources(row: Mapping[str, Any]) -> list[str]:
    """Where the published numbers are from and under which protocol, in a sentence or two, where there are any."""
    told = [claim for line in row["lines"] for claim in line["claims"].values()]
    if not told:
        return []
    sources = dict.fromkeys(f"{claim['source']} ({claim['protocol']})" for claim in told)
    missing = (
        [" Where no spread is published none is shown."] if any(c["published"]["sd"] is None for c in told) else []
    )
    return [f"Published: {'; '.join(sources)}.", *map(str.strip, missing)]


def _said(held: Sequence[Judged]) -> list[str]:
    """How the differences were judged, in a sentence; none where none was."""
    if not held:
        return []
    which = {each.welch for each in held if each.ends}
    how = [words for there, words in ((True, WELCH), (False, ALONE)) if there in which]
    by = f"95 % intervals are {', or where none is told '.join(how)}. " if how else ""
    return [f"{by}Matches: the interval lies within {MARGIN:g} points (or one published sd, where that is more)."]


def _ours(found: Iterable[list[Run]]) -> str:
    """How our runs were chosen, and what they ran on, in a sentence or two."""
    members = [run for each in found for run in each]
    plateau = any((run.config.get("optim") or {}).get("schedule") == "plateau" for run in members)
    which = "the epoch that was best on validation" if plateau else "the last epoch"
    devices = sorted({str(run.manifest["device"]) for run in members if run.manifest.get("device")})
    commits = sorted({str(run.manifest["git_commit"])[:7] for run in members if run.manifest.get("git_commit")})
    there = [f"on {', '.join(devices)}"] if devices else []
    there += [f"commit{'' if len(commits) == 1 else 's'} {', '.join(commits)}"] if commits else []
    told = f"Ours: mean ± sample sd (n seeds), {which}; a difference is of the means."
    return f"{told} Run {', '.join(there)}." if there else told
