"""A part of the page about a folder as a whole rather than about one student: a reproduced table, say."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from sparring.report.differences import differences_table
from sparring.report.reproduced import Reproduced
from sparring.report.table import Table

ORDERS = (
    "One line against another: points of a percent; ours paired over shared seeds (their number), with 95 % intervals; "
    "the paper's by Welch where it prints spreads. 'Agrees': our interval lies on the paper's side of 0. 'The "
    "claim's': what the recipe claims. 'Not an equal comparison': what else than the method sets the runs apart."
)


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading: tables, each with a note below it, then figures, each with its caption."""

    title: str
    tables: tuple[tuple[Table, str], ...] = ()
    figures: tuple[tuple[Markup, str], ...] = ()


def of_table(row: Reproduced) -> Section:
    """A row of a published table as a section: its lines, and what the paper says of one line against another."""
    apart = differences_table(row.differences)
    orders = ((apart, ORDERS),) if apart else ()
    return Section(row.title, tables=((row.table, row.note), *orders))
