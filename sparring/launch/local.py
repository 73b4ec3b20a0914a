"""Runs one after the other on this machine, each a resumable folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparring.engine.processes import at_first, together
from sparring.errors import UserError
from sparring.recipes.build import Given
from sparring.recipes.config import Config
from sparring.recipes.published import Claim
from sparring.recipes.run import Result, claim_folder, run


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a grid, its folder, and the published number that it is set beside, where there is one."""

    config: Config
    out: Path
    claim: Claim | None = None


def grid(
    config: Config, out: Path, *, methods: Sequence[str], seeds: int, claims: Mapping[str, Claim] | None = None
) -> list[Cell]:
    """The runs of some methods over `seeds` seeds from the configuration's own on: out/METHOD/seed-N.

    The configuration's slot options belong to its own method; the others run as their row of the table says. claims:
    published numbers by method.
    """
    if (out / "config.yaml").exists():
        raise UserError(f"{out} holds a single run, where several were asked for; give another --out")
    plain = {"perturb": {}, "targets": {}, "objective": {}}
    cells = []
    for method in methods:
        changes = {} if method == config.method else {"method": method, **plain}
        for seed in range(config.seed, config.seed + seeds):
            cell = config.model_copy(update=changes | {"seed": seed})
            cells.append(Cell(cell, out / method / f"seed-{seed}", (claims or {}).get(method)))
    return cells


def run_all(cells: Sequence[Cell], given: Given, *, resume: bool) -> list[Result]:
    """Run every cell, all folders claimed before the first begins.

    With `resume`, a finished run is read, an unfinished one goes on, and one that is not there yet begins.
    """
    with together():
        at_first(lambda: claim_all(cells, resume))
        return [run(cell.config, cell.out, given=given, resume=resume, claim=cell.claim) for cell in cells]


def claim_all(cells: Sequence[Cell], resume: bool) -> None:
    """Raise UserError where any cell's folder is taken or cannot be written."""
    for cell in cells:
        claim_folder(cell.out, resume)
