"""From run directories to a verdict: tables, figures and one HTML page. Reads what runs wrote, and no engine."""

from sparring.report.card import card
from sparring.report.groups import Arm, Group, groups
from sparring.report.ledger import Run, runs
from sparring.report.missing import left_out
from sparring.report.page import both, default_place, markdown, page
from sparring.report.table import Table, markdown_table, table
from sparring.report.verdict import Verdict, compare, every_pair, verdicts

__all__ = [
    "Arm",
    "Group",
    "Run",
    "Table",
    "Verdict",
    "both",
    "card",
    "compare",
    "default_place",
    "every_pair",
    "groups",
    "left_out",
    "markdown",
    "markdown_table",
    "page",
    "runs",
    "table",
    "verdicts",
]
