"""A part of the page about a folder as a whole rather than about one student: a reproduced table, say."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from sparring.report.reproduced import Reproduced
from sparring.report.table import Table


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading: tables, each with a note below it, then figures, each with its caption."""

    title: str
    tables: tuple[tuple[Table, str], ...] = ()
    figures: tuple[tuple[Markup, str], ...] = ()


def of_table(row: Reproduced) -> Section:
    """A row of a published table as a section."""
    return Section(row.title, tables=((row.table, row.note),))
