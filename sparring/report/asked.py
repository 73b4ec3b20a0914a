"""What a recipe's table asks of a run: its metrics, how they are called, and where a run's folder has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparring.report.attacked import ATTACKS
from sparring.report.ledger import Run, disagreement, kept, number

NAMES = {
    "accuracy": "test accuracy",
    "best": "best epoch on test",
    "without": "without the omitted",
    "only": "the omitted only",
    "autoattack": "AutoAttack",
    "translate/3": "shifted (MNIST-C translate, severity 3)",
    "climb/10": "after 10 steps of DA",
    "climb/50": "after 50 steps of DA",
    "real": "ReaL",
    "v2": "V2",
    "a": "ImageNet-A",
    "r": "ImageNet-R",
    "mce": "ImageNet-C, mCE (less is better)",
    "sketch": "Sketch",
    "style": "Style",
}


def value_of(run: Run, metric: str, row: Mapping[str, Any]) -> float | None:
    """A metric of a run as a fraction, None where it was not measured. row: of the plan, which says how it is attacked.

    "climb/10" is the student's accuracy on test images after ten steps of DA against it, "translate/3" that on a
    corruption at a severity.
    """
    if metric == "autoattack":
        return _attacked(run, row["attack"])
    if metric in ("accuracy", "best"):
        return run.number("test" if metric == "accuracy" else "test_best", "accuracy")
    if metric == "mce":
        return number(kept(run, "imagenet.json"), "c", "mce")
    if metric in ("without", "only"):
        return run.number(f"test_{metric}", "accuracy")
    name, _, severity = metric.partition("/")
    if name == "climb":
        return next((row["student_accuracy"] for row in disagreement(run) if row["steps"] == int(severity)), None)
    if severity:
        return number(kept(run, "corruptions.json"), "accuracy", name, severity)
    return number(kept(run, "imagenet.json"), name, "accuracy")


def _attacked(run: Run, attack: Mapping[str, Any]) -> float | None:
    """What AutoAttack's standard ensemble left of a run, asked as the row asks."""
    images, there = attack["images"], (run.result.get("images") or {}).get("test")
    asked = {
        "version": "standard",
        "norm": "linf",
        "eps": attack["eps"],
        "part": "test",
        "finished": True,
        "epoch": None,
    }
    asked["images"] = there if images is None else min(images, there or images)
    for each in kept(run, ATTACKS).values():
        if all(each.get(name) == value for name, value in asked.items()):
            return number(each, "accuracy")
    return None
