"""A run among its kin, as its model card has it: the other seeds, the student on the labels alone, the teacher."""

from __future__ import annotations

from sparring.report import teacher
from sparring.report.groups import BASELINE, Arm, Group, groups
from sparring.report.ledger import Run, runs
from sparring.report.table import Cell, filled, markdown_table, spread
from sparring.report.verdict import against_baseline

Kin = tuple[Group, Arm]


def kin(run: Run) -> Kin | None:
    """A run's group and arm among the seeds beside it and the baseline beside these; None where it is not finished.

    A run that stands in no grid (METHOD/seed-N) has no kin but itself.
    """
    seeds = run.path.parent
    gridded = run.path.name.startswith("seed-")
    baseline = seeds.parent / BASELINE
    places = [seeds, *([baseline] if baseline.is_dir() and not baseline.samefile(seeds) else [])]
    for group in groups(runs(places if gridded else [run.path])):
        for arm in group.arms:
            if run.path.resolve() in {each.path.resolve() for each in arm.runs}:
                return group, arm
    return None


def verdict(found: Kin) -> str | None:
    """Whether its method helped, where the same student trained on the labels alone lies beside the run."""
    group, arm = found
    told = against_baseline(group, arm)
    return told.sentence if told and arm.method != BASELINE else None


def scores(found: Kin) -> str | None:
    """Test accuracies of all seeds, of the baseline and of the teacher, as Markdown; None of a run that is alone."""
    group, arm = found
    measured = teacher.teachers(Group(group.data, group.student, (arm,)))
    rows = {f"this student by {arm.label}": spread(arm.values("test", "accuracy"), 100)}
    for other in group.baselines:
        if other is not arm:
            rows[f"the same student on the labels alone ({other.label})"] = spread(
                other.values("test", "accuracy"), 100
            )
    for each in measured:
        if (accuracy := each.number("test", "accuracy")) is not None:
            rows[f"its teacher, {each.name}"] = Cell(f"{100 * accuracy:.2f}", accuracy)
    if len(rows) == 1 and len(arm.runs) == 1:
        return None
    table = filled({"": [Cell(name) for name in rows], "test accuracy, % (seeds)": list(rows.values())})
    return markdown_table(table)
