"""The recipes as a person reads them: whose table, what it says, what it costs at each scale, and how it stands here.

What was measured is kept in results/, which no package brings along: evidence.json has the few words of it that
`python results/reproductions.py` writes.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

from sparring.files import read_json
from sparring.recipes.published import RECIPES
from sparring.recipes.rows import Recipe

KEPT = Path(__file__).with_name("evidence.json")
WIDTH = 100
FOOT = (
    "Hours are estimates, right within a factor of three: on one GPU at an RTX 4090's speed, on two cores at that of "
    "our runs. Numbers: of students and data that are the paper's, how many match what it prints. Differences: of "
    "those between two lines that the claim is about, how many lie on the same side of 0 here. All numbers: "
    "docs/reproductions.md. Next: sparring reproduce NAME --scale smoke"
)


def evidence(name: str) -> dict[str, Any]:
    """What is kept of a recipe: its "status", and its "costs" by scale, in words; {} of one that is newer than that."""
    return read_json(KEPT).get(name, {})


def listed() -> dict[str, str]:
    """Every recipe by name, and in one line whose table it is, what that claims and how it stands."""
    return {
        name: f"{headed(recipe)}: {recipe.claim or recipe.about} [{status(name)}]" for name, recipe in RECIPES.items()
    }


def shown() -> str:
    """All of that and the costs, aligned, in lines of 100 characters at the most."""
    parts = []
    for name, recipe in RECIPES.items():
        facts = [("claim", recipe.claim or recipe.about), ("status", status(name))]
        facts += [(scale, words) for scale, words in evidence(name).get("costs", {}).items()]
        lines = [f"{name:<20}{headed(recipe)}"]
        for key, words in facts:
            first, *rest = wrap(words, WIDTH - 28) or [""]
            lines += [f"{'':20}{key:<8}{first}", *(f"{'':28}{line}" for line in rest)]
        parts.append("\n".join(lines))
    return "\n".join([*parts, "", *wrap(FOOT, WIDTH)])


def headed(recipe: Recipe) -> str:
    """ "DiSK, Table 1"."""
    return ", ".join(filter(None, (recipe.paper, recipe.shows))) or recipe.about


def status(name: str) -> str:
    """How a recipe stands, in a few words."""
    return evidence(name).get("status", "not run here")
