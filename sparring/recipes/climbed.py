"""A finished run's student under FGSM or PGD as one asks for it, beside AutoAttack, which has nothing to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparring.errors import UserError
from sparring.evaluate import masking
from sparring.evaluate.autoattack import attackable
from sparring.evaluate.climb import Climb, fgsm, withstands
from sparring.evaluate.sound import flat, tossing
from sparring.parts.attack import Ball, cross_entropy, margin
from sparring.recipes.examine import at_best, reopened
from sparring.recipes.manifest import weights_hash
from sparring.recipes.measured import entries, put
from sparring.recipes.options import checked_options, options_of
from sparring.recipes.run import say
from sparring.recipes.threat import radius, threat

FILE = "attacks.json"
TRIED = 250  # images at which there had better be gradients
KINDS: dict[str, Callable[..., Climb]] = {"fgsm": fgsm, "pgd": Climb}


def climbed(
    run: Path,
    kind: str,
    options: Mapping[str, Any],
    *,
    eps: float | str | None = None,
    norm: str = "linf",
    images: int | None = None,
    part: str = "test",
    best_epoch: bool = False,
    device: str | None = None,
) -> dict[str, float]:
    """The share of images (in [0, 1]) on which a run's student is right, and right still after "fgsm" or "pgd".

    options: of pgd steps, size ("2/255" too), start, loss and keep, of fgsm loss; see `evaluate.climb.Climb`. eps,
    norm, images, part, best_epoch: as for AutoAttack (`attacked`). Kept in the run's attacks.json. Raises UserError for
    mistakes.
    """
    entries(run / FILE)  # where it is damaged, that is told before the work
    _, data, student, teacher = reopened(run, device)
    if best_epoch:
        at_best(run, student)
    asked = threat(data, student, eps=eps, norm=norm, images=images, part=part, best_epoch=best_epoch)
    climb = attack(kind, asked.ball, options)
    if climb.loss == "kl" and teacher is None:
        raise UserError(
            f"--loss kl goes away from a teacher's answer, and {run} has no teacher here: take ce or margin"
        )
    with attackable(student):
        first = asked.pick(np.arange(min(TRIED, len(asked.images))))
        loss = margin if climb.loss == "margin" else cross_entropy
        remarks = flat(student, first, allowed=1.0, loss=loss) + tossing(student, first.x)
    for remark in remarks:
        say(remark)
    probe = partial(withstands, asked.student, climb=climb, teacher=teacher if climb.loss == "kl" else None)
    name = kind if kind == "fgsm" else f"{kind}-{climb.steps}"  # by which chance goes, here as in --robust
    right = masking.right_after(student, asked.pick, len(asked.images), name, probe)
    clean = masking.right_after(student, asked.pick, len(asked.images), "clean", partial(masking.clean, student))
    told = {name: getattr(climb, name) for name in options_of(KINDS[kind]).model_fields}
    told |= {"size": climb.reach} if "size" in told else {}
    key = "-".join([kind, asked.key, *(f"{name}={value}" for name, value in sorted(told.items()))])
    entry = {"attack": kind, **asked.settings, **told, "clean": float(clean.mean()), "accuracy": float(right.mean())}
    entry |= {"remarks": remarks} if remarks else {}
    entry |= {"teacher": weights_hash(teacher)} if climb.loss == "kl" and teacher is not None else {}
    put(run / FILE, key, entry)
    return {"accuracy": entry["clean"], kind: entry["accuracy"]}


def attack(kind: str, ball: Ball, options: Mapping[str, Any]) -> Climb:
    """The attack of that kind. Raises UserError for an option that it does not take, or not so."""
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("size"), str):
        given["size"] = radius(given["size"], "--size")
    make = KINDS[kind]
    if foreign := sorted(given.keys() - options_of(make).model_fields.keys()):
        raise UserError(f"--{foreign[0]} is no option of --attack {kind}: leave it out")
    chosen = checked_options(make, given, f"--attack {kind}")
    if chosen.get("steps", 1) < 1:
        raise UserError(f"--steps {chosen['steps']} is no attack: give 1 or more")
    made = make(ball, **chosen)
    try:
        ball.step(made.reach, called="--size")
    except ValueError as error:
        raise UserError(f"{error}") from error
    return made
