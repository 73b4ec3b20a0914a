"""A finished run's student under AutoAttack: what stands after each attack, kept image by image."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sparring
from sparring.errors import Interrupted, UserError, did_you_mean
from sparring.evaluate.autoattack import (
    CLEAN,
    PACKAGE,
    VERSIONS,
    Progress,
    Standing,
    Trial,
    Version,
    cascade,
    library,
    remarks,
)
from sparring.evaluate.sound import require_sound
from sparring.recipes.examine import at_best, opened
from sparring.recipes.measured import entries, put
from sparring.recipes.run import say
from sparring.recipes.threat import Threat, keep, kept, threat

FILE = "autoattack.json"
ARRAYS = ("rows", "labels", "broken_by", "attacks", "done", "farthest")


def attacked(
    run: Path,
    version: str,
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    images: int | None = None,
    part: str = "test",
    best_epoch: bool = False,
    device: str | None = None,
) -> dict[str, float]:
    """The share of images (in [0, 1]) on which a run's student is right, and right still after each attack.

    version: "standard", "plus", "rand" or "few"; eps, norm, images, part: see `threat`. best_epoch: the student as it
    was then, in place of the last epoch's, which has an entry of its own. Returns {"accuracy": clean, "apgd-ce":
    …, "autoattack": what survives them all}. Kept in the run's autoattack.json, and image by image in an npz beside it.
    One that was stopped goes on. Raises UserError for mistakes and for a network that AutoAttack would flatter.
    """
    if version not in VERSIONS:
        raise UserError(f"--attack {version} does not exist. {did_you_mean(version, VERSIONS)}")
    library()
    _, data, student = opened(run, device)
    if best_epoch:
        at_best(run, student)
    asked = threat(data, student, eps=eps, norm=norm, images=images, part=part, best_epoch=best_epoch)
    return scores(autoattack(run, asked, version)[0])


def autoattack(run: Path, asked: Threat, version: Version) -> tuple[dict[str, Any], np.ndarray]:
    """The entry of autoattack.json, and what broke each image (N,): measured, taken up where it was left, or as they
    lie there."""
    library()
    trial = Trial(asked.ball, version)
    key, settings = f"{version}-{asked.key}", settings_of(asked, trial)
    told = json.dumps(settings, sort_keys=True)
    file = run / f"autoattack-{key}.npz"
    standing = standing_in(file, told, len(asked.images))
    entry = entries(run / FILE).get(key, {})
    if any(entry.get(name) != value for name, value in settings.items()):
        entry = {}  # of other weights, data or code
    if entry.get("finished") and standing is not None:
        say(f"measured before: AutoAttack {key} in {run / FILE}")
        return entry, standing.broken_by
    if standing is None:
        if file.exists():
            say(f"{file} is of other weights, data or code, or damaged: starting anew")
        standing, entry = Standing.fresh(len(asked.images)), {}
    first = asked.pick(np.arange(min(trial.batch_size, len(asked.images))))
    heard = require_sound(asked.student, first, trial)
    entry = {**about(asked), "seconds": {}, **entry, **settings}
    say(f"AutoAttack {key} of {run}; if it is stopped, the same command goes on")
    with saying_that_it_goes_on():
        for step in cascade(asked.student, asked.pick, trial, standing):
            standing = step.standing
            keep(file, told, arrays_of(asked, standing))
            entry["seconds"][step.attack] = entry["seconds"].get(step.attack, 0.0) + step.seconds
            put(run / FILE, key, summary(entry, standing, heard))
            speak(step, version)
    entry = summary(entry, standing, heard, finished=True)
    put(run / FILE, key, entry)
    return entry, standing.broken_by


@contextmanager
def saying_that_it_goes_on() -> Iterator[None]:
    """Ctrl-C is told as any other stop."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("stopped; what was attacked is kept", signal.SIGINT) from None


def settings_of(asked: Threat, trial: Trial) -> dict[str, Any]:
    """What a standing must share to be gone on with, or taken for this one's."""
    more = {"seed": trial.seed, "batch_size": trial.batch_size, PACKAGE: installed(PACKAGE)}
    return {"version": trial.version, **asked.settings, **more}


def about(asked: Threat) -> dict[str, Any]:
    """Where the numbers come from, beside the settings."""
    device = str(asked.student.mean.device)
    return {
        "sparring": sparring.__version__,
        "torch": torch.__version__,
        "device": device,
        "threads": torch.get_num_threads(),
    }


def standing_in(file: Path, settings: str, images: int) -> Standing | None:
    """How the images stood when a cascade of these settings was left."""
    found = kept(file, settings, ARRAYS)
    if found is None or len(found["broken_by"]) != images:
        return None
    attacks = [str(name) for name in found["attacks"]]
    done = dict(zip(attacks, map(int, found["done"]), strict=True))
    return Standing(found["broken_by"], done, dict(zip(attacks, map(float, found["farthest"]), strict=True)))


def arrays_of(asked: Threat, standing: Standing) -> dict[str, np.ndarray]:
    """A standing as arrays: image by image, and how far it got."""
    return {
        "rows": asked.rows,
        "labels": asked.labels,
        "broken_by": standing.broken_by,
        "attacks": np.array(list(standing.done)),
        "done": np.array(list(standing.done.values())),
        "farthest": np.array([standing.farthest[attack] for attack in standing.done]),
    }


def summary(
    entry: Mapping[str, Any], standing: Standing, heard: Sequence[str], *, finished: bool = False
) -> dict[str, Any]:
    """An entry with how the images stand now, after what was tried. heard: what the checks had to say."""
    version: Version = entry["version"]
    after = standing.right(version)
    tried = [attack for attack in VERSIONS[version] if finished or attack in standing.done]
    told: dict[str, Any] = {CLEAN: after[CLEAN], "after": {attack: after[attack] for attack in tried}}
    told |= {"accuracy": min(after.values()), "farthest": dict(standing.farthest), "finished": finished}
    return {**entry, **told, "remarks": [*heard, *remarks(standing, version)]}


def speak(step: Progress, version: Version) -> None:
    """Say where the cascade is."""
    left = step.standing.right(version)[step.attack]
    say(f"{step.attack}: chunk {step.chunk + 1} of {step.chunks}, {left:.2%} stand ({step.seconds:.1f} s)")


def scores(entry: Mapping[str, Any]) -> dict[str, float]:
    """An entry as numbers by name."""
    return {"accuracy": entry[CLEAN], **entry["after"], "autoattack": entry["accuracy"]}
