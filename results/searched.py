"""A search that is kept, beside what its paper found: the best values, and whether they beat the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring.recipes.rows import Hunt
from sparring.report.sweep import finalists, judged, notes, section, verdict
from sparring.report.swept import DEFAULT, Swept, sweeps
from sparring.report.table import Cell, Table, markdown_table
from sparring.report.units import duration


def searched(folder: Path, hunt: Hunt, scale: str) -> tuple[list[str], str]:
    """A kept search's part of the page, and its status in a few words."""
    (found,) = sweeps([folder])
    told = section(found)
    parts = [markdown_table(beside(found, hunt)), "\n".join(f"- {line}" for line in told.sentences)]
    if (table := finalists(found)) is not None:
        parts.append(markdown_table(table))
    seconds = sum(trial["seconds"] or 0.0 for trial in found.trials)
    seconds += sum(run.number("seconds") or 0.0 for line in found.lines for run in line.runs)
    parts.append(f"Training took {duration(seconds)} in all. {' '.join(notes(found))}")
    return parts, in_short(found, hunt, scale)


def best(found: Swept) -> dict[str, Any]:
    """The trial that was best on validation images."""
    return max(found.ended("complete"), key=lambda trial: (trial["value"], -trial["number"]))


def beside(found: Swept, hunt: Hunt) -> Table:
    """Each key: what was searched, what the paper found, and what was found here."""
    trial = best(found)
    others = [line for line in found.lines if line.name != DEFAULT]
    head = ("key", "searched", "the paper found", f"the best trial ({trial['number']})")
    over = dict(word.split("=", 1) for word in hunt.over)
    rows = [
        (key, over[key], str(printed), str(trial["values"][key]), *(str(line.values[key]) for line in others))
        for key, printed in hunt.printed.items()
    ]
    value = f"{100 * trial['value']:.2f}"
    rows.append((f"{judged(found)}, %", "", "", value, *(f"{100 * line.validation:.2f}" for line in others)))
    table = tuple(tuple(map(Cell, row)) for row in rows)
    return Table((*head, *(f"finalist {line.name}, {line.seeds} new seeds" for line in others)), table)


def in_short(found: Swept, hunt: Hunt, scale: str) -> str:
    """What the search found beside what the paper did, and whether it paid, in a few words."""
    values = best(found)["values"]
    ours, theirs = (
        ", ".join(f"{key.rsplit('.', 1)[-1]} {of[key]}" for key in hunt.printed) for of in (values, hunt.printed)
    )
    chosen = found.told.get("winner")
    end = "no finalists yet" if chosen is None else f"chosen: {'the defaults' if chosen == DEFAULT else chosen}"
    against = f", which against the defaults {verdict(found)[0]}" if chosen not in (None, DEFAULT) else ""
    return f"{scale} scale: {len(found.trials)} trials, the best has {ours} (the paper's: {theirs}); {end}{against}"
