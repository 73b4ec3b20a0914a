"""One page, or one Markdown text, of what some runs showed: the verdict first, then its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sparring.errors import UserError
from sparring.files import write_text
from sparring.report import attacked, gradients, parted, robust, sweep, teacher
from sparring.report.differences import differences_table
from sparring.report.groups import SMOKE, Group, groups
from sparring.report.labels import in_two
from sparring.report.ledger import Run, runs
from sparring.report.overview import name
from sparring.report.reproduced import Reproduced, reproduced
from sparring.report.said import NOTHING, sentences
from sparring.report.section import of_table
from sparring.report.table import MEANS, markdown_table, table
from sparring.report.verdict import every_pair
from sparring.report.view import summed, view


def page(paths: Iterable[str | Path] | str | Path, out: str | Path) -> Path:
    """Write one self-contained HTML page about every run at or below `paths` to `out`, and return where it is.

    Nothing in it is fetched from elsewhere: it can be mailed, printed and read on a phone. Raises UserError where
    there is no finished run.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found, swept = runs(paths), sweep.sections(paths)
    told = _groups(found, swept)
    text = _template().render(
        smoke=NOTHING if smoke(found, swept) else None,
        overview=summed(told),
        swept=swept,
        wholes=[of_table(row) for row in reproduced(paths)],
        groups=[view(number, group) for number, group in enumerate(told)],
        unfinished=waiting(found),
        finished=sum(run.finished for run in found),
    )
    write_text(out, text)
    return Path(out)


def markdown(paths: Iterable[str | Path] | str | Path) -> str:
    """The verdicts and the table of every run at or below `paths`, as Markdown.

    Raises UserError where there is no finished run.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found = runs(paths)
    swept = sweep.sections(paths)
    parts = [f"**{NOTHING}**"] if smoke(found, swept) else []
    parts += [text for row in reproduced(paths) for text in beside(row)]
    for searched in swept:
        parts += map(_plain, sweep.markdown(searched))
    for group in _groups(found, swept):
        parts.append(f"## {_plain(name(group))}")
        parts.append("\n".join(f"- {_plain(line)}" for line in sentences(group)))
        parts.append(markdown_table(table(group)))
        if pairs := every_pair(group):
            parts.append("\n".join(f"- {_plain(pair.sentence)}" for pair in pairs))
        if both := teacher.beside(group):
            parts.append(markdown_table(both))
        parts += [f"{_plain(found.title)}:\n\n{markdown_table(found.means)}" for found in robust.corrupted(group)]
        if others := robust.variants(group):
            parts.append(markdown_table(others))
        for seen in gradients.gradients(group):
            parts.append(f"Gradients in epoch {seen.epoch}, mean |∂L/∂W|:\n\n{markdown_table(seen.raw)}")
            parts.append(f"Divided by each run's mean total loss:\n\n{markdown_table(seen.scaled)}")
            parts += [_plain(caveat) for caveat in seen.caveats]
        for more in (parted.exits(group), parted.biases(group)):
            parts += [markdown_table(more)] if more else []
        for held in attacked.attacked(group):
            parts += [f"{held.title}:\n\n{markdown_table(held.table)}", *map(_plain, held.remarks)]
    if left := waiting(found):
        parts.append("Not counted: " + "; ".join(f"`{run.path}` ({run.problem})" for run in left) + ".")
    return "\n\n".join(parts) + "\n"


def both(folder: Path) -> Path:
    """Write report.html and report.md about the runs in a folder into it, and return the page."""
    write_text(folder / "report.md", markdown(folder))
    return page(folder, folder / "report.html")


def smoke(found: Iterable[Run], swept: Iterable[sweep.Section]) -> bool:
    """Whether any run or search is of a recipe at smoke scale, so that before any number it is told what they are."""
    return any(run.scale == SMOKE for run in found) or any(each.smoke for each in swept)


def beside(row: Reproduced) -> list[str]:
    """A reproduced row as Markdown, in parts: its table, what the paper says of its lines' differences, its note."""
    apart = differences_table(row.differences)
    orders = [f"One line against another, points:\n\n{markdown_table(apart)}"] if apart else []
    return [f"## {_plain(row.title)}", markdown_table(row.table), *orders, _plain(row.note)]


def waiting(found: Iterable[Run]) -> list[Run]:
    """The runs that do not count; those of which no test accuracy is expected, autoencoders and trials of a search, are
    not among them."""
    return [run for run in found if not run.finished and run.method != "autoencoder" and "untested" not in run.result]


def default_place(paths: Sequence[str | Path]) -> Path:
    """Where a page about some runs goes if nobody says: into the one folder given, as report.html.

    A page about several belongs to none of them, and must not take the place of one's own: it goes into the working
    directory, as report.html or, where there is one already, report-2.html and so on.
    """
    if len(paths) == 1:
        return Path(paths[0]) / "report.html"
    numbered = (Path(f"report-{number}.html" if number > 1 else "report.html") for number in count(1))
    return next(path for path in numbered if not path.exists())


def _groups(found: list[Run], swept: Sequence[sweep.Section]) -> list[Group]:
    if (sorted_out := groups(found)) or swept:
        return sorted_out
    raise UserError(
        f"None of the {len(found)} runs found is finished ({found[0].path}: {found[0].problem}): "
        "resume or wait for one, then ask for the report again."
    )


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    known = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    known.filters["in_two"] = in_two
    known.globals["MEANS"] = MEANS
    return known.get_template("page.html.j2")


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")
