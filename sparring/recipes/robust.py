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
from sparring.errors import UserError
from sparring.evaluate import corruptions, disagreement, masking
from sparring.evaluate.autoattack import Version, library
from sparring.evaluate.climb import Climb, withstands
from sparring.recipes import attacked, stress
from sparring.recipes.examine import reopened
from sparring.recipes.manifest import weights_hash
from sparring.recipes.measured import entries, put
from sparring.recipes.run import say
from sparring.recipes.threat import Threat, keep, kept, threat
from sparring.report import attacked as drawing
from sparring.report import runs

FILE = "robust.json"
IMAGES = 1000
ENOUGH = 4  # classes, for all of AutoAttack standard
SEVERITIES = (1, 3, 5)
NAMES = ("probes", "right")


@attacked.saying_that_it_goes_on()
def robust(
    run: Path,
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    images: int | None = None,
    part: str = "test",
    device: str | None = None,
) -> dict[str, float]:
    """Accuracies (in [0, 1]) of a run's student on some images, as they are, corrupted, and attacked in several ways;
    and tests for masked gradients.

    eps, norm, images (1000 where None), part: see `threat`. Returns {"accuracy": clean, "pgd-20": …, "autoattack": …,
    "disagreement": after most steps, "corruptions": mean, …, "masking/more steps": 0 or, where it fails, 1, …}. Kept in
    the run's robust.json, and drawn beside it; what was measured before is read. Raises UserError for mistakes.
    """
    library()
    entries(run / FILE)  # where it is damaged, that is told before the work
    _, data, student, teacher = reopened(run, device)
    asked = threat(data, student, eps=eps, norm=norm, images=IMAGES if images is None else images, part=part)
    found, broken_by = attacked.autoattack(run, asked, ensemble(len(data.class_names)))
    curve, probes = planned(asked, teacher)
    right = probed(run, asked, teacher, probes)
    verdicts = masking.checks(right, curve, broken_by)
    settings = settings_of(asked, teacher)
    before = entries(run / FILE).get(asked.key, {})
    before = before if all(before.get(name) == value for name, value in settings.items()) else {}
    entry: dict[str, Any] = {
        **settings,
        "accuracy": {name: float(flags.mean()) for name, flags in right.items()},
        "autoattack": {"clean": found["clean"], **found["after"]},
        "curve": [(radius, float(right[name].mean())) for radius, name in curve],
        "disagreement": before.get("disagreement") or disagreed(asked, data, teacher),
        "corruptions": before.get("corruptions") or corrupted(asked),
        "checks": [asdict(verdict) for verdict in verdicts],
    }
    put(run / FILE, asked.key, entry)
    drawn(entry, run, run / f"robust-{asked.key}.png")
    for verdict in verdicts:
        say(f"{'fine' if verdict.passed else 'MASKED GRADIENTS?'} {verdict.name}: {verdict.says}")
    return scores(entry)


def drawn(entry: Mapping[str, Any], run: Path, picture: Path) -> None:
    """Draw an entry of a run's; where that cannot be written, its numbers are kept already."""
    (about,) = runs([run])
    try:
        drawing.picture(entry, about, picture)
        say(f"the picture: {picture}")
    except UserError as error:
        say(f"without the picture: {error}")


def ensemble(classes: int) -> Version:
    """Which of AutoAttack's a network of so many classes can be asked."""
    if classes >= ENOUGH:
        return "standard"
    say(f"of {classes} classes: AutoAttack without APGD-T, whose loss needs {ENOUGH}")
    return "few"


def settings_of(asked: Threat, teacher: Network | None) -> dict[str, Any]:
    """What a measurement must share to be this one's."""
    return asked.settings | {"teacher": None if teacher is None else weights_hash(teacher)}


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
    settings, file = json.dumps(settings_of(asked, teacher), sort_keys=True), run / f"robust-{asked.key}.npz"
    before = kept(file, settings, NAMES)
    right = {} if before is None else dict(zip(map(str, before["probes"]), before["right"], strict=True))
    for name, probe in probes.items():
        if name not in right:
            right[name] = masking.right_after(asked.student, asked.pick, len(asked.images), name, probe)
            keep(file, settings, {"probes": np.array(list(right)), "right": np.stack(list(right.values()))})
            say(f"{name}: {right[name].mean():.2%} right")
    return {name: right[name] for name in probes}


def disagreed(asked: Threat, data: datasets.Data, teacher: Network | None) -> list[dict[str, Any]]:
    """The disagreement curve's points, none without a teacher."""
    if teacher is None:
        return []
    say("climbing the disagreement with the teacher")
    device = asked.student.mean.device
    batches = datasets.batches(asked.images.to(device), batch_size=128, device=device)
    with computing(device.type, bf16=False):
        return [asdict(row) for row in disagreement.curve(teacher, {"student": asked.student}, batches, std=data.std)]


def corrupted(asked: Threat) -> dict[str, float]:
    """The accuracy by corruption, each the mean over severities, and over them all ("mean")."""
    say("corrupting the images")
    kind = corruptions.benchmark(asked.images.shape)
    wanted, skipped = stress.makeable((), SEVERITIES, kind)
    for name, reason in skipped.items():
        say(f"left out {name}: {reason}")
    batches = datasets.batches(asked.images, batch_size=256, device=asked.student.mean.device)
    with computing(asked.student.mean.device.type, bf16=False):
        found = corruptions.corruption_accuracies(asked.student, batches, wanted)
    means = {
        name: fmean(value for key, value in found.items() if key[0] == name)
        for name in dict.fromkeys(name for name, _ in wanted)
    }
    return means | {"mean": fmean(means.values())}


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
