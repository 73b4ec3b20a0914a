"""DiSK's options: what paper and code fill in, and what is refused."""

from __future__ import annotations

from typing import Any

FOLLOW: dict[str, dict[str, Any]] = {  # what is filled in where an option is not given
    "paper": {"guide": "mlp", "k": 20, "lambda_min": 0.1, "lambda_max": 50.0},
    "release": {
        "guide": "map", "k": 10, "T_s": 3.5, "lambda_min": 1.0, "lambda_max": 5.0, "period": 50, "first": 5.0,
        "worst": 5.0,
    },
}  # fmt: skip
IMAGENET: dict[str, Any] = {  # what the code for ImageNet sets (its budget is by the teacher's class, as the release's)
    "follow": "release", "turns": "joint", "guide": "wide", "alpha": 0.5, "T": 1.0, "T_s": 1.0, "k": 20, "delta": 0.2,
    "lambda_min": 0.1, "lambda_max": 0.5, "period": 30, "worst": 2.0,
}  # fmt: skip


HELD = (
    "what kept it down in our runs was an Adam of its own and a large λ: objective.guide=mlp objective.guide_lr=0.001 "
    "objective.lambda_min=50 objective.lambda_max=50"
)


def refuse_impossible(**given: Any) -> None:
    """Raise ValueError for a number that DiSK cannot work with."""
    told = {name: value for name, value in given.items() if value is not None}
    for name in {"T", "T_s", "k", "inner", "first", "period", "guide_lr", "worst"} & told.keys():
        if told[name] <= 0:
            raise ValueError(f"{name} is {told[name]:g}: give a number above 0")
    for name in {"logits", "hint_weight", "delta"} & told.keys():
        if told[name] < 0:
            raise ValueError(f"{name} is {told[name]:g}: give 0 or more")
    if told.get("period", 2) < 2 and told["lambda_min"] < told["lambda_max"]:
        raise ValueError("period is 1, and so λ would stay at lambda_min: give 2 rounds or more")
    if not 0 <= told["alpha"] <= 1:
        raise ValueError(f"alpha is {told['alpha']:g}: give a weight in [0, 1]")
    if not 0 <= told["lambda_min"] <= told["lambda_max"]:
        low, high = told["lambda_min"], told["lambda_max"]
        raise ValueError(f"lambda_min is {low:g} and lambda_max {high:g}: give 0 or more, and not less as lambda_max")


def refuse_idle(why: str, idle: bool, **given: Any) -> None:
    """Raise ValueError for an option that is given where it has no effect."""
    for name, value in given.items():
        if idle and value is not None:
            raise ValueError(f"{name} has no effect with {why}: leave it out")


def caveats(guarded: tuple[int, int] | None, *, untrained: bool, unruly: bool) -> list[str]:
    """What is worth knowing before the training. guarded: how many classes are, and of how many, where eq. 4 counts;
    unruly: whether a guide that censors a hint alone descends as the student does."""
    told = []
    if guarded and guarded[0] >= guarded[1]:
        told.append(f"k={guarded[0]} guards all {guarded[1]} classes: the guide's value is added to each")
    if untrained:
        told.append("the student starts untrained; DiSK starts from a trained one (--student RUN), see docs/disk.md")
    if unruly:
        told.append(f"by the student's optimiser such a guide came to censor nearly everything; {HELD}")
    return told


def remark_of(seen: float, *, logits: bool) -> str | None:
    """What is told where a guide's mean value on its last batch was near 1; of a hint alone it leaves nothing."""
    if seen <= 0.99:
        return None
    left = "" if logits else ", and leaves the student next to nothing to learn"
    return f"the guide's value was {seen:.2f} on its last batch, so it chooses nothing{left}; {HELD}"


def unmixed(*, released: bool, delta: float | None) -> str | None:
    """Why what is right and wrong cannot be counted where labels are mixed; None where nobody counts it."""
    if released:
        return "this perturbation mixes labels, and disk-release counts errors: give objective.follow=paper"
    if delta is None:
        return "this perturbation mixes labels, and an error counted on them would be no budget: give objective.delta"
    return None
