"""A reproduced table beside the published one: what `sparring reproduce` left in its folder, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.report.asked import NAMES, value_of
from sparring.report.groups import TEACHERS
from sparring.report.judged import MARGIN, Judged, judge, order, pointed
from sparring.report.ledger import Run, lying, runs
from sparring.report.planned import PLANS, planned
from sparring.report.table import EMPTY, Cell, Table, filled, paired, published, spread
from sparring.report.units import duration
from sparring.report.verdict import summary

NOT_RUN, ELSEWHERE, SMOKE = "not run here", "another scale", "smoke"
WELCH, ALONE = "by Welch, with the published spread", "of ours alone, against a fixed number"


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One row of a published table. title: which, at what scale; note: the protocols, ours and the paper's.

    orders: the paper's differences between lines beside ours, None where it has none. lines: how many lines came to
    which status, of students and data that are the paper's; directions: how many of its differences agree.
    """

    title: str
    note: str
    table: Table
    orders: Table | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    directions: Mapping[str, int] = field(default_factory=dict)


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
    found: list[tuple[Mapping[str, Any], Judged | None]] = []
    for metric in row["metrics"]:
        more, judged = _metric(row, metric, ours, smoke=plan["scale"] == "smoke")
        columns |= more
        found += judged
    columns["training, each"] = [_cost(ours[line["name"]]) for line in row["lines"]]
    held = [each for _, each in found if each] if row["like"] else []
    lines = Counter(each.status if each else NOT_RUN for _, each in found) if row["like"] else {}
    orders, directions = (None, {}) if plan["scale"] == "smoke" else _orders(row, ours)
    note = " ".join([row["note"], *_sources(row), _ours(ours.values()), *_said(held)])
    title = f"{plan['name']}, {plan['scale']} scale: {row['name']}"
    return Reproduced(title, note.strip(), filled(columns), orders, lines, directions)


def _metric(
    row: Mapping[str, Any], metric: str, ours: Mapping[str, list[Run]], *, smoke: bool
) -> tuple[dict[str, list[Cell]], list[tuple[Mapping[str, Any], Judged | None]]]:
    """A metric's columns, and each of its claims with what our runs make of it."""
    shown, lines = NAMES.get(metric, metric), row["lines"]
    values = [list(_by_run(ours[line["name"]], row, metric)) for line in lines]
    claims = [line["claims"].get(metric) for line in lines]
    judged = [judge(*pair) for pair in zip(values, claims, strict=True)]
    columns = {
        f"{shown}: published, %": [published(claim) for claim in claims],
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
    return columns, [(claim, each) for claim, each in zip(claims, judged, strict=True) if claim]


def _status(values: Sequence[float], claim: Mapping[str, Any] | None, judged: Judged | None, unlike: str) -> Cell:
    """The word of a line; where students and data are not the paper's, that they are not."""
    if claim is None:
        return EMPTY
    told = (unlike or judged.told) if values and judged else NOT_RUN
    return Cell(told, told)


def _orders(row: Mapping[str, Any], ours: Mapping[str, list[Run]]) -> tuple[Table | None, dict[str, int]]:
    """The differences between lines of which the paper says something, and how many came to which word."""
    claims = {line["name"]: line["claims"] for line in row["lines"]}
    columns: dict[str, list[Cell]] = {head: [] for head in ("difference", "of", "published", "ours", "direction")}
    counted: Counter[str] = Counter()
    for upper, lower in row.get("order", ()):
        for metric in row["metrics"]:
            pair = claims[upper].get(metric), claims[lower].get(metric)
            if pair[0] is None or pair[1] is None:
                continue
            one, other = (_by_seed(ours[name], row, metric) for name in (upper, lower))
            found = order(one, other, *pair)
            gap = pair[0]["published"]["mean"] - pair[1]["published"]["mean"]
            cells = [f"{upper} − {lower}", NAMES.get(metric, metric), pointed(gap, found and found.printed_ends)]
            cells += [f"{pointed(found.gap, found.ends)} ({found.n})", found.direction] if found else ["", NOT_RUN]
            counted[cells[-1]] += 1
            for head, cell in zip(columns, cells, strict=True):
                columns[head].append(Cell(cell, cell))
    return (filled(columns) if counted else None), dict(counted)


def _by_run(found: Iterable[Run], row: Mapping[str, Any], metric: str) -> Iterable[float]:
    """A metric of every run that has it, in %."""
    return (100 * value for run in found if (value := value_of(run, metric, row)) is not None)


def _by_seed(found: Iterable[Run], row: Mapping[str, Any], metric: str) -> dict[int, float]:
    """The same by the run's seed."""
    told = ((run.seed, value_of(run, metric, row)) for run in found)
    return {seed: 100 * value for seed, value in told if seed is not None and value is not None}


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
