"""What the runs of a reproduced row were, by their own configuration: networks, data, epochs and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparring.report.ledger import Run

Ours = Mapping[str, Sequence[Run]]
TEACHER = "teacher"  # the line of a row that is the teacher itself


def networks(ours: Ours) -> str:
    """ "resnet20 → resnet8 on cifar100 at 16 pixels": who taught whom on what in the runs of a row's lines, by name."""
    teachers = ours.get(TEACHER, ())
    students = [run for line, found in ours.items() if line != TEACHER for run in found]
    taught = {run.student for run in teachers} or {name for run in students if (name := _teacher(run))}
    pair = (", ".join(sorted(names)) for names in (taught, {run.student for run in students}))
    data = ", ".join(sorted({f"{run.data}{_size(run)}" for run in students or teachers}))
    return f"{' → '.join(filter(None, pair))} on {data}"


def lengths(ours: Ours) -> str:
    """ "teacher 20 (1); ce 12 (3); kd, dkd 6 (3)": how many epochs each line was trained for, and on how many seeds."""
    pots: dict[str, list[str]] = {}
    for line, found in ours.items():
        if found:
            epochs = "/".join(dict.fromkeys(str(run.result.get("epochs", "?")) for run in found))
            pots.setdefault(f"{epochs} ({len(found)})", []).append(line)
    return "; ".join(f"{', '.join(lines)} {told}" for told, lines in pots.items())


def _teacher(run: Run) -> str | None:
    """The network of a run's teacher, where the run knows it."""
    return (run.result.get("teacher_facts") or {}).get("name")


def _size(run: Run) -> str:
    """At how many pixels, where the run was told so."""
    return f" at {size} pixels" if (size := run.config.get("size")) else ""
