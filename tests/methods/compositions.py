"""Every perturbation × targets × objective that the package offers, built.

`python tests/methods/compositions.py` writes the page of the docs that shows which of them are refused, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch

from sparring.errors import UserError
from sparring.methods import OBJECTIVE, PERTURB, TARGETS, TEACHERLESS
from sparring.parts.bout import Bout
from sparring.testing import Case, tiny_setting, tiny_tapped

PAGE = Path(__file__).parents[2] / "docs" / "compositions.md"
OPTIONS = {"hard": {"turns": "joint"}, "disk": {"first": 0.5, "inner": 0.5}}  # so that all have a turn in four steps
EVERY = list(product(PERTURB, TARGETS, OBJECTIVE))
HEAD = """# What goes with what

Every perturbation (rows), objective (columns) and targets (tables) that the package offers, each with its own options.
A ✓ trains, and keeps the contract of `sparring.testing`; a number is refused before training, for the reason below.
Perturbations also follow one another (`perturb=mixup+pgd`). Written by `python tests/methods/compositions.py`.
"""


def made(perturb: str, targets: str, objective: str) -> Callable[[], Case]:
    """What makes a fresh case of a composition, on the tiny networks that have stages."""

    def make() -> Case:
        student = tiny_tapped()
        teacher = None if targets in TEACHERLESS else tiny_tapped(seed=1, widths=(4, 6))
        setting = tiny_setting(teacher, student)
        slots = {"perturb": PERTURB[perturb], "targets": TARGETS[targets], "objective": OBJECTIVE[objective]}
        names = {"perturb": perturb, "targets": targets, "objective": objective}
        parts = {slot: factory(setting, **OPTIONS.get(names[slot], {})) for slot, factory in slots.items()}
        return Case(Bout(student, **parts), teacher)

    return make


def refused(perturb: str, targets: str, objective: str) -> str | None:
    """Why a composition is refused, or None."""
    try:
        torch.default_generator.manual_seed(0)
        made(perturb, targets, objective)()
    except (UserError, ValueError) as error:
        return str(error)
    return None


def page() -> str:
    """The page of the docs."""
    why = {names: refused(*names) for names in EVERY}
    reasons = list(dict.fromkeys(reason for reason in why.values() if reason))
    lines = [HEAD]
    for targets in TARGETS:
        lines += [
            f"\n## targets={targets}\n",
            "| | " + " | ".join(OBJECTIVE) + " |",
            "|---" * (len(OBJECTIVE) + 1) + "|",
        ]
        for perturb in PERTURB:
            cells = (why[perturb, targets, objective] for objective in OBJECTIVE)
            shown = ("✓" if each is None else str(reasons.index(each) + 1) for each in cells)
            lines.append(f"| {perturb} | " + " | ".join(shown) + " |")
    lines.append("\n## Why not\n")
    lines += [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
