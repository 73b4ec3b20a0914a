"""Every recipe at one scale, one after the other: what each of them came to, and one page that says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparring.errors import UserError, first_line
from sparring.files import write_json
from sparring.recipes.published import RECIPES
from sparring.recipes.rows import Recipe, Scale
from sparring.recipes.run import say
from sparring.report import sheet
from sparring.report.said import NOTHING
from sparring.report.table import Cell, Table
from sparring.report.units import duration

SUMMARY = "everything.json"


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one recipe: its page, or why there is none (in `why`), and how long that took."""

    name: str
    seconds: float
    page: Path | None
    why: str = ""
    lacking: bool = False

    @property
    def status(self) -> str:
        """In a few words."""
        return "ran" if self.page else f"{'left out' if self.lacking else 'failed'}: {self.why}"


def everything(scale: Scale, out: Path, play: Callable[[str, Path], Path]) -> Path:
    """Play every recipe that has a scale below `out`, each in its own folder, and write report.html, report.md and
    everything.json there.

    play: what reproduces a recipe by name in a folder and returns its page. A recipe that must be given something
    (ImageNet) is told and left out; of one that cannot be run it is told why, and the rest go on. Returns the page.
    Raises UserError at the end where any could not be run.
    """
    came = []
    for name, recipe in RECIPES.items():
        say(f"{name}: {recipe.paper}, {recipe.shows}")
        came.append(one(name, recipe, scale, out / (recipe.place or name), play))
        say(f"{name}: {came[-1].status} ({duration(came[-1].seconds)})")
        told = {each.name: {"seconds": round(each.seconds, 1), "status": each.status} for each in came}
        write_json(out / SUMMARY, {"scale": scale, "recipes": told})
    told = f"{total(came)} {NOTHING}" if scale == "smoke" else total(came)
    summary = sheet.Sheet(f"Every recipe, {scale} scale", table(came), told)
    page = sheet.both(f"Every recipe, {scale} scale", [summary], out)
    failed = [each.name for each in came if not (each.page or each.lacking)]
    if failed:
        raise UserError(f"{', '.join(failed)} could not be run at {scale} scale: see {page}")
    return page


def one(name: str, recipe: Recipe, scale: Scale, out: Path, play: Callable[[str, Path], Path]) -> Came:
    """One recipe, timed; an error, which may be of its own code or data, is what came of it."""
    begun = time.perf_counter()
    if scale not in recipe.scales:
        return Came(name, 0.0, None, f"it has no {scale} scale", lacking=True)
    needs = [key for (key, at), _ in recipe.needs.items() if at == scale]
    if needs:
        return Came(name, 0.0, None, f"it needs --{needs[0]}: {recipe.needs[needs[0], scale]}", lacking=True)
    try:
        page, why = play(name, out), ""
    except UserError as error:
        page, why = None, str(error)
    except Exception as error:
        page, why = None, f"{type(error).__name__}: {first_line(error)}"
    return Came(name, time.perf_counter() - begun, page, why)


def table(came: list[Came]) -> Table:
    """Recipe, seconds, status."""
    rows = [
        (Cell(each.name, each.name), Cell(duration(each.seconds), each.seconds), Cell(each.status, each.status))
        for each in came
    ]
    return Table(("recipe", "took", "status"), tuple(rows))


def total(came: list[Came]) -> str:
    """How many of them ran, and how long all took, in a sentence."""
    ran, lacking = sum(each.page is not None for each in came), sum(each.lacking for each in came)
    failed = len(came) - ran - lacking
    stopped = f", {failed} failed" if failed else ""
    seconds = sum(each.seconds for each in came)
    return f"{ran} of {len(came)} ran, {lacking} need what is not here{stopped}; {duration(seconds)} in all."
