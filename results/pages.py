"""Whether the kept pages are of the runs that are kept: the count in each report.html's heading, and its folder's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sparring.errors import UserError
from sparring.report import runs

HEADING = re.compile(r"report · (\d+) finished run")


def stale(folder: Path) -> Iterator[str]:
    """The pages in the folders below `folder` that tell of another number of runs than lie there, a sentence each."""
    for page in sorted(folder.glob("*/report.html")):
        told = HEADING.search(page.read_text())
        if told and int(told[1]) != (there := finished(page.parent)):
            yield f"{page} is of {told[1]} runs, and {there} are kept beside it: make it anew with sparring report"


def finished(folder: Path) -> int:
    """How many finished runs lie below a folder."""
    try:
        return sum(run.finished for run in runs(folder))
    except UserError:  # none at all
        return 0
