"""A finished run's student, measured in one of several ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparring.errors import UserError
from sparring.files import require_writable, sweep
from sparring.recipes.attacked import attacked
from sparring.recipes.bias import debias
from sparring.recipes.climbed import KINDS, climbed
from sparring.recipes.elsewhere import elsewhere
from sparring.recipes.examine import Part, examine
from sparring.recipes.kinds import checked
from sparring.recipes.robust import robust as hold_out
from sparring.recipes.stress import stress

HOUR = 3600.0  # seconds: no file is under way for longer


@checked
def evaluate(
    run: Any,
    *,
    part: Part = "test",
    curve: bool = False,
    corruptions: Sequence[str] | None = None,
    severity: Sequence[int] = (),
    on: str | Path | None = None,
    kind: str | None = None,
    attack: str | None = None,
    robust: bool = False,
    bias: bool = False,
    eps: float | str | None = None,
    norm: str | None = None,
    images: int | None = None,
    climb: Mapping[str, Any] | None = None,
    best_epoch: bool = False,
    device: str | None = None,
) -> dict[str, float]:
    """How good, how calibrated, how close to its teacher and how costly a run's student is; see `recipes.examine`.

    run: its folder, or what a training left.

    corruptions: instead, its accuracy under these, () for all, at the severities given, () for all: {"accuracy": clean,
    "translate/3": …, "mean": …}; see `recipes.stress`.
    on: instead, its accuracy on the variant of ImageNet in this folder; kind: which, where it cannot be told (real, v2,
    a, r, c, sketch, style): {"a": …}; see `recipes.elsewhere`.
    attack: instead, its accuracy under AutoAttack "standard", "plus", "rand" or "few"; see `recipes.attacked`; or under
    "pgd" or "fgsm", with `climb` for the options of these; see `recipes.climbed`. robust:
    instead, all of clean, PGD, AutoAttack, disagreement and corruptions, with tests for masked gradients; see
    `recipes.robust`. For both, eps: how far pixels move, 0.1 or "8/255" (as is the custom for colour where it is left
    out); norm: "linf" or "l2"; images: how many. best_epoch: attack the student as it was after the epoch that was best
    on validation images. bias: instead, of a student that never saw some class, its test
    accuracy with a constant added to that class's logit; see `recipes.bias`.
    """
    asked = {
        "curve": curve,
        "corruptions": corruptions is not None,
        "on": on is not None,
        "attack": attack is not None,
        "robust": robust,
        "bias": bias,
    }
    if sum(asked.values()) > 1:
        both = " and ".join(f"--{name}" for name, given in asked.items() if given)
        raise UserError(f"{both} are different measurements: ask for one at a time")
    refuse_alone(asked, severity=bool(severity), kind=kind is not None, best_epoch=best_epoch)
    ball: dict[str, Any] = {"eps": eps, "norm": norm, "images": images}
    if (given := [name for name, value in ball.items() if value is not None]) and not (attack or robust):
        raise UserError(f"--{given[0]} is for --attack and --robust, of which none was given")
    options = {name: value for name, value in (climb or {}).items() if value is not None}
    if options and attack not in KINDS:
        raise UserError(f"--{next(iter(options))} is for --attack pgd, which was not asked for")
    run = folder_of(run)
    ball |= {"norm": norm or "linf", "part": part, "device": device}
    if bias and part != "test":
        raise UserError(f"--part {part} has no place beside --bias, which is chosen on validation and told of the test")
    if any(asked.values()) and run.is_dir():  # what is kept must have a place, before it is measured
        require_writable(run)
        sweep(run, older=HOUR)
    if bias:
        return debias(run, device=device)
    if robust:
        return hold_out(run, **ball)
    if attack in KINDS:
        return climbed(run, attack, options, best_epoch=best_epoch, **ball)
    if attack is not None:
        return attacked(run, attack, best_epoch=best_epoch, **ball)
    if on is not None:
        return elsewhere(run, Path(on), kind, device=device)
    if corruptions is not None:
        return stress(run, corruptions, severity, part=part, device=device)
    return examine(run, part=part, curve=curve, device=device)


def folder_of(run: Any) -> Path:
    """The folder of a run that is given as such, or as what a training left (`Result`, `Outcome`)."""
    place = getattr(run, "out", run)
    if not isinstance(place, str | Path):
        raise UserError(f"run is a {type(run).__name__}: give a run's folder, or what train or distill left")
    return Path(place)


def refuse_alone(asked: Mapping[str, bool], *, severity: bool, kind: bool, best_epoch: bool) -> None:
    """Raise UserError for an option that was given without the measurement that it belongs to."""
    if severity and not asked["corruptions"]:
        raise UserError("--severity is for --corruptions, which was not given")
    if kind and not asked["on"]:
        raise UserError("--as says which variant of ImageNet lies in --on FOLDER, which was not given")
    if best_epoch and not asked["attack"]:
        raise UserError("--best-epoch is for --attack, which was not given")
