"""How a finished run's student holds out, in one table: clean, PGD, AutoAttack, disagreement, corruptions; and whether
its robustness is real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from sparring import data as datasets
from sparring.core import Network
from sparring.core.network import computing
from sparring.evaluate import corruptions, masking
from sparring.evaluate.autoattack import library
from sparring.evaluate.climb import Climb, withstands
from sparring.files import write_json
from sparring.recipes import attacked, examine, stress
from sparring.recipes.config import Config
from sparring.recipes.manifest import weights_hash
from sparring.recipes.run import say
from sparring.recipes.threat import Threat, entries, keep, kept, threat
from sparring.report import attacked as drawing
from sparring.report import runs

FILE = "robust.json"
IMAGES = 1000
SEVERITIES = (1, 3, 5)
NAMES = ("probes", "right")
CURVE = "disagreement.json"


def robust(
    run: Path,
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    images: int | None = None,
    part: str = "test",
    device: str | None = None,
) -> dict[str, float]:
    """Accuracies (in [0, 1]) of a run's student when it is attacked in several ways, and tests for masked gradients.

    eps, norm, images (1000 where None), part: see `threat`. Returns {"accuracy": clean, "pgd-20": …, "autoattack": …,
    "disagreement": after most steps, "corruptions": mean, …, "masking/more steps": 0 or, where it fails, 1, …}. Kept in
    the run's robust.json, and drawn beside it; what was measured before is read. Raises UserError for mistakes.
    """
    library()
    config, data, student, teacher = examine.reopened(run, device)
    asked = threat(data, student, eps=eps, norm=norm, images=IMAGES if images is None else images, part=part)
    found, broken_by = attacked.autoattack(run, asked, "standard")
    curve, probes = planned(asked, teacher)
    right = probed(run, asked, teacher, probes)
    verdicts = masking.checks(right, curve, broken_by)
    entry: dict[str, Any] = {
        **asked.settings,
        "accuracy": {name: float(flags.mean()) for name, flags in right.items()},
        "autoattack": {"clean": found["clean"], **found["after"]},
        "curve": [(radius, float(right[name].mean())) for radius, name in curve],
        "disagreement": climbed(run, config, data, student, teacher),
        "corruptions": corrupted(run, part, device),
        "checks": [asdict(verdict) for verdict in verdicts],
    }
    write_json(run / FILE, {**entries(run / FILE), asked.key: entry})
    (about,) = runs([run])
    picture = run / f"robust-{asked.key}.png"
    drawing.picture(entry, about, picture)
    say(f"the picture: {picture}")
    for verdict in verdicts:
        say(f"{'fine' if verdict.passed else 'MASKED GRADIENTS?'} {verdict.name}: {verdict.says}")
    return scores(entry)


def planned(asked: Threat, teacher: Network | None) -> tuple[list[tuple[float, str]], dict[str, masking.Probe]]:
    """The curve over radii, (radius, name of its probe) from 0 up; and all probes by name."""
    ball, first = asked.ball, masking.STEPS[0]
    probes: dict[str, masking.Probe] = {"clean": partial(masking.clean, asked.student)}
    for steps in masking.STEPS:
        probes[f"pgd-{steps}"] = partial(withstands, asked.student, climb=Climb(ball, steps=steps))
    probes["noise"] = partial(masking.shaken, asked.student, ball=ball)
    if teacher is not None:
        most = masking.STEPS[-1]
        probes["transfer"] = partial(masking.transferred, asked.student, ball=ball, steps=most, source=teacher)
    near, wide = masking.radii(ball, int(np.prod(asked.images.shape)))
    curve: list[tuple[float, str]] = []
    for eps in near + wide:
        steps = masking.STEPS[-1] if eps in wide else first
        name = "clean" if eps == 0 else f"pgd-{steps}" if eps == ball.eps else f"pgd-{steps}@{eps:.6g}"
        probes.setdefault(name, partial(withstands, asked.student, climb=Climb(replace(ball, eps=eps), steps=steps)))
        curve.append((eps, name))
    return curve, probes


def probed(
    run: Path, asked: Threat, teacher: Network | None, probes: Mapping[str, masking.Probe]
) -> dict[str, np.ndarray]:
    """On which images (N,) bool the student is right after each probe; what was measured before is read."""
    told = asked.settings | {"teacher": None if teacher is None else weights_hash(teacher)}
    settings, file = json.dumps(told, sort_keys=True), run / f"robust-{asked.key}.npz"
    before = kept(file, settings, NAMES)
    right = {} if before is None else dict(zip(map(str, before["probes"]), before["right"], strict=True))
    for name, probe in probes.items():
        if name not in right:
            right[name] = masking.right_after(asked.student, asked.pick, len(asked.images), name, probe)
            keep(file, settings, {"probes": np.array(list(right)), "right": np.stack(list(right.values()))})
            say(f"{name}: {right[name].mean():.2%} right")
    return {name: right[name] for name in probes}


def climbed(
    run: Path, config: Config, data: datasets.Data, student: Network, teacher: Network | None
) -> list[dict[str, Any]]:
    """The disagreement curve's points, none without a teacher."""
    if teacher is None:
        return []
    if not newer(run / CURVE, run):
        say("climbing the disagreement with the teacher")
        with computing(student.mean.device.type, bf16=False):
            examine.climb(run, data, teacher, {config.method: student})
    return entries(run / CURVE)["rows"]


def corrupted(run: Path, part: str, device: str | None) -> dict[str, float]:
    """The accuracy by corruption, each the mean over severities, and over them all ("mean")."""
    found = entries(run / stress.FILE)
    asked = set(corruptions.CORRUPTIONS) <= {*found.get("accuracy", {}), *found.get("skipped", {})}
    if not (
        asked and found.get("part") == part and found.get("source") == stress.HERE and newer(run / stress.FILE, run)
    ):
        say(f"corrupting the {part} images")
        stress.stress(run, (), SEVERITIES, part=part, device=device)
        found = entries(run / stress.FILE)
    return {name: fmean(levels.values()) for name, levels in found["accuracy"].items()} | {"mean": found["mean"]}


def newer(file: Path, run: Path) -> bool:
    """Whether a measurement lies there that is of the run as it ended."""
    return file.exists() and file.stat().st_mtime >= (run / "result.json").stat().st_mtime


def scores(entry: Mapping[str, Any]) -> dict[str, float]:
    """An entry as numbers by name."""
    accuracy, after = entry["accuracy"], entry["autoattack"]
    found = {"accuracy": accuracy["clean"]} | {name: accuracy[name] for name in accuracy if "@" not in name}
    del found["clean"]
    found |= {name: share for name, share in after.items() if name != "clean"}
    found["autoattack"] = list(after.values())[-1]
    if entry["disagreement"]:
        found["disagreement"] = entry["disagreement"][-1]["student_accuracy"]
    found["corruptions"] = entry["corruptions"]["mean"]
    return found | {f"masking/{check['name']}": float(not check["passed"]) for check in entry["checks"]}
