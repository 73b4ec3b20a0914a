"""Where numbers come from: what all runs of a group have in common, and a row a run with what they differ in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparring.report.augmentation import augmentation
from sparring.report.groups import Group
from sparring.report.ledger import Run, typed
from sparring.report.table import Cell, Table, filled

ALWAYS = ("directory", "command")


@dataclass(frozen=True, slots=True)
class Origins:
    """common: what is so for every run, by its name; table: a row a run, with what is not."""

    common: Mapping[str, str]
    table: Table


def origins(group: Group) -> Origins:
    """What one needs to do a group's runs again."""
    runs = [(arm.label, run) for arm in group.arms for run in arm.runs]
    told = [_facts(run) for _, run in runs]
    common = {
        key: value
        for key, value in told[0].items()
        if value and key not in ALWAYS and all(each[key] == value for each in told)
    }
    columns = {"method": [Cell(label, label) for label, _ in runs]}
    columns["seed"] = [Cell("unknown" if run.seed is None else str(run.seed), run.seed) for _, run in runs]
    for key in [key for key in told[0] if key not in common]:
        columns[key] = [Cell(each[key], each[key]) for each in told]
    return Origins(common, filled(columns))


def _facts(run: Run) -> dict[str, str]:
    """What is known of how a run was made, by name; empty where it is not known."""
    told: Mapping[str, Any] = run.manifest
    digest = (told.get("teacher") or {}).get("sha256")
    facts = {
        "augmentation": augmentation(run),
        "device": told.get("device"),
        "commit": (told.get("git_commit") or "")[:12],
        "sparring": told.get("sparring"),
        "torch": told.get("torch"),
        "data fingerprint": (run.fingerprint or "")[:16],
        "student": run.student,
        "data": run.data,
        "options": ", ".join(f"{key}={typed(value)}" for key, value in (run.result.get("changes") or {}).items()),
        "teacher": f"{run.teacher or '–'}" + (f" ({digest[:12]})" if digest else ""),
        "started": str(told.get("started") or "").replace("T", " ").replace("+00:00", " UTC"),
        "directory": run.path,
        "command": told.get("command"),
    }
    return {key: "" if value is None else str(value) for key, value in facts.items()}
