"""What a reproduced table is to be made of: the plan that `sparring reproduce` left beside its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, model_validator

from sparring.report.forms import Claim
from sparring.report.kinds import Count, Form, Radius
from sparring.report.reading import Odd, fitting, read

PLANS = "*.recipe.json"


class Attack(Form):
    """What a recipe's row puts its runs through."""

    eps: Radius
    images: Count | None


class Line(Form):
    """A line of a reproduced table."""

    name: str
    runs: str | None
    claims: dict[str, Claim]


class Row(Form):
    """A row of a reproduced table."""

    name: str
    note: str
    like: bool
    metrics: list[str]
    against: list[str] = Field([])
    order: list[list[str]] = Field([])
    about: list[list[str]] = Field([])
    matched: dict[str, str] = Field({})
    printed_of: str = ""
    attack: Attack | None = None
    lines: list[Line]

    @model_validator(mode="after")
    def _fitting(self) -> Row:
        names = {line.name for line in self.lines}
        others = {*self.against, *(name for pair in self.order for name in pair), *self.matched.values()}
        if others - names:
            raise ValueError("holds its lines against one that is not among them")
        if any(len(pair) != 2 for pair in self.order):
            raise ValueError("has an order that is not of two lines")
        if any(each[:2] not in self.order or len(each) != 3 for each in self.about):
            raise ValueError("is about a difference that is not in its order")
        if self.attack is None and "autoattack" in self.metrics:
            raise ValueError("wants AutoAttack's numbers and names no attack")
        return self


class Plan(Form):
    """NAME.recipe.json."""

    name: str
    scale: str
    rows: list[Any]


Plans = dict[Path, list[dict[str, Any]]]  # the plans in some folders, once they are read
PLAN, ROW = TypeAdapter(Plan), TypeAdapter(Row)


def planned(file: Path) -> tuple[dict[str, Any], list[Odd]]:
    """A recipe's plan with the rows that can be read, {} where it cannot; and what of it is left out."""
    plan, odd = read(file, PLAN)
    rows = []
    for place, row in enumerate(plan.get("rows", ()), 1):
        told, left = fitting(row, ROW)
        rows += [told] if told else []
        odd += [Odd((f"row {place}", *each.way), each.at, each.what) for each in left]
    return (plan | {"rows": rows} if plan else {}), odd


def line_of(run: Path, known: Plans) -> tuple[str | None, str | None]:
    """The line of a reproduced table that a run is of, and the scale of that table; None where no plan names it.

    A line's runs lie in PLACE/ROW/LINE/seed-N, or are the one run PLACE/teachers/NAME. known: fills with what is read.
    """
    for folder in (run, run.parent):
        for place in list(folder.parents)[:2]:
            if place not in known:
                known[place] = [planned(file)[0] for file in sorted(place.glob(PLANS))]
            for plan in known[place]:
                for line in (line for row in plan.get("rows", ()) for line in row["lines"]):
                    if line["runs"] and place / line["runs"] == folder:
                        return line["name"], plan["scale"]
    return None, None
