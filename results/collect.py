"""Keep what runs measured, without their weights: python results/collect.py NAME RUNS… fills results/NAME.

What is kept of a run (result.json, manifest.json, config.yaml, the epoch lines of metrics.jsonl, and whatever it was
put through), of a table (its plan) and of a search (sweep.json, its trials and its finalists) is enough for
`sparring report results/NAME` to draw the same tables, pictures and verdicts again, but for the curves of loss terms.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sparring.errors import UserError
from sparring.files import as_json, read_lines, write_text
from sparring.report import Run, markdown, page, runs
from sparring.report.forms import FORMS
from sparring.report.ledger import JOURNAL
from sparring.report.planned import PLANS
from sparring.report.swept import SWEEP

HERE = Path(__file__).parent
ARRAYS = ("autoattack-*.npz", "augmentor.npz", "guide.npz", "disagreement_examples.npz")  # what fell to what; pictures
WRITTEN = {"README.md", "report.html"}


def collect(name: str, sources: Sequence[Path], into: Path = HERE) -> Path:
    """Copy what was measured below `sources` into the folder `name` of `into`, and write its table and page there.

    Of each source it is a folder of its last name. What was kept under that name before is replaced once all is there.
    Raises UserError for a name that is not one plain word, for a source in which no run is finished, for two of the
    same last name, and where the folder holds files that no run left.
    """
    if not re.fullmatch(r"[a-zA-Z0-9][\w-]*", name):
        raise UserError(f"{name!r} names no folder of {into}: give one plain word, as da-fig2-cpu")
    place = into / name
    found = looked_at(sources)
    if own := sorted(each.name for each in place.glob("*") if each.is_file() and each.name not in WRITTEN):
        raise UserError(f"{place} holds {', '.join(own)}, which no run left: move that, or give another name")
    with TemporaryDirectory(dir=into, prefix=f".{name}-") as beside:
        new = Path(beside) / name
        for source, kept in found.items():
            copy(source, kept, new / source.name)
        if place.exists():
            place.rename(Path(beside) / "before")
        new.rename(place)
    write_text(place / "README.md", f"# {name}\n\n{markdown([place])}")  # now, for both tell where runs lie
    page([place], place / "report.html")
    return place


def looked_at(sources: Sequence[Path]) -> dict[Path, list[Run]]:
    """The runs of each source that are kept, those that are not told. Raises UserError, before anything is written."""
    if not sources:
        raise UserError("nothing to collect was given: name folders with runs behind the name")
    found: dict[Path, list[Run]] = {}
    for source in (Path(os.path.abspath(source)) for source in sources):  # which has a last name, whatever was given
        every = runs([source])
        found[source] = [run for run in every if run.finished or "untested" in run.result]
        if not found[source]:
            raise UserError(f"of the {len(every)} runs in {source} none is finished: {every[0].problem}")
        for run in every:
            if run not in found[source]:
                print(f"left out: {run.path} ({run.problem})")
    counts = Counter(source.name for source in found)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"{counts[twice[0]]} sources are called {twice[0]}, and each has a folder of its name: rename")
    return found


def copy(source: Path, kept: Sequence[Run], to: Path) -> None:
    """Copy what is kept of a source."""
    for run in kept:
        inner = to / run.path.relative_to(source)
        inner.mkdir(parents=True)
        for file in (
            *(run.path / form for form in FORMS),
            *(found for name in ARRAYS for found in run.path.glob(name)),
        ):
            if file.exists():
                shutil.copy(file, inner / file.name)
        write_text(inner / JOURNAL, journal(run))
    for pattern in (PLANS, SWEEP):
        for file in source.rglob(pattern):
            (to / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to / file.relative_to(source))


def journal(run: Run) -> str:
    """The lines of a run's journal that tell of its epochs."""
    return "".join(as_json(line) + "\n" for line in read_lines(run.path / JOURNAL) if line.get("kind") == "epoch")


if __name__ == "__main__":
    try:
        print(collect(sys.argv[1] if sys.argv[1:] else "", [Path(arg) for arg in sys.argv[2:]]))
    except UserError as error:
        print(f"{error}\nUsage: python results/collect.py NAME RUNS…", file=sys.stderr)
        sys.exit(2)
