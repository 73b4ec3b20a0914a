"""What is said of a group in sentences: the verdict on each method, and what speaks beside it."""

from __future__ import annotations

from sparring.report import attacked, teacher
from sparring.report.groups import BASELINE, Arm, Group
from sparring.report.missing import missing
from sparring.report.table import PGD
from sparring.report.verdict import summary, verdicts

SMOKE_TEST = "smoke test"
NOTHING = (
    "A smoke test: it shows that every line runs, and its numbers say nothing. They are of networks that were "
    "hardly trained: read no verdict from them."
)


def sentences(group: Group) -> list[str]:
    """The verdict on each arm of a group, the best arm's first, or why there is none; of a smoke test before all that
    it says nothing."""
    return [NOTHING, *_said(group)] if group.smoke else _said(group)


def _said(group: Group) -> list[str]:
    if group.searched:
        told = "These are the finalists of a search, which differ in what it went over: whether it paid stands there."
        return [told, *remarks(group)]
    beyond = ([line] if (line := teacher.sentence(group)) else []) + remarks(group)
    if found := verdicts(group):
        arms = {arm.label: arm for arm in group.arms}
        return [f"{verdict.sentence}{withstood(arms[verdict.method])}" for verdict in found] + beyond
    best = summary(group.arms[0].values("test", "accuracy"))
    reached = f"reaches {best.mean * 100:.2f} % test accuracy (n={best.n})" if best else "was trained"
    reached += f".{withstood(group.arms[0])}".rstrip(".")
    if not group.contenders:
        name = group.student if len(group.arms) == 1 else group.arms[0].label
        alone = f"{name} {reached}, on the labels alone. No distilled run of it is here to set beside it."
        return [alone, *remarks(group)]
    return [
        f"{group.arms[0].label} {reached}. Cannot tell whether that helps: there is no run of the baseline (method "
        f"'{BASELINE}', the same student, data and budget on the labels alone). Train one on the same seeds.",
        *beyond,
    ]


def withstood(arm: Arm) -> str:
    """What an arm whose training attacks keeps under attack, behind a sentence that is about images as they are."""
    left = summary(arm.values("test", PGD))
    return f" Under PGD-10 {left.mean * 100:.2f} % are left (of up to 1,000 images)." if left else ""


def remarks(group: Group) -> list[str]:
    """What a method had to say of its own runs when they ended, such as that it did nothing."""
    told = []
    for arm in group.arms:
        heard = [text for run in arm.runs for text in run.result.get("remarks", ())]
        told += [f"{arm.label}, {heard.count(text)} of {len(arm.runs)} runs: {text}." for text in dict.fromkeys(heard)]
    if any("test_without" in run.result for arm in group.arms for run in arm.runs):
        told.append(
            "Some classes were omitted: training and validation images have none of them, test images have them, and "
            "so has every number that says neither 'without' nor 'only'."
        )
    told += attacked.stopped(group)
    return told + [line for arm in group.arms for run in arm.runs for line in missing(run)]
