"""Disagreement Augmentation: Table I (CIFAR-100, best test accuracy of 240 epochs, mean ± sample sd over 5 runs), and
the search of Fig. 2, and Figs. 3 and 4 (how its students hold out against images that are made for them to disagree
with their teacher on)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from sparring.recipes.config import Config, Optim
from sparring.recipes.rows import Claim, Hunt, Row, Scale

SOURCE, PROTOCOL = "Disagreement Augmentation, Table I", "best epoch on the test set"
TABLE_1 = {  # (teacher, student): (KD mean, sd), (DA mean, sd)
    ("resnet32x4", "resnet8x4"): ((73.66, 0.26), (74.59, 0.24)),
    ("vgg13", "vgg8"): ((73.33, 0.25), (73.76, 0.29)),
    ("resnet32x4", "shufflenetv2"): ((71.67, 0.34), (73.70, 0.19)),
}
LOGGED = "Disagreement Augmentation, the public logs of Table I's runs"
LAST = {  # (teacher, student): the accuracy of the last epoch in each of the five runs, KD and DA
    ("resnet32x4", "resnet8x4"): ((73.53, 73.38, 73.19, 73.53, 73.23), (74.49, 74.13, 73.94, 73.94, 74.09)),
    ("vgg13", "vgg8"): ((72.82, 72.89, 72.99, 73.50, 73.37), (73.29, 73.52, 73.09, 73.40, 73.49)),
    ("resnet32x4", "shufflenetv2"): ((71.99, 71.62, 71.20, 71.38, 71.23), (73.17, 73.61, 73.68, 73.40, 73.00)),
}
CPU_PAIRS = {  # smaller pairs of the same families, and 16 × 16 pixels where those are still too slow for a CPU
    ("resnet32x4", "resnet8x4"): ("resnet20", "resnet8", None),
    ("vgg13", "vgg8"): ("vgg13", "vgg8", 16),
    ("resnet32x4", "shufflenetv2"): ("resnet20", "shufflenetv2", 16),
}
NOTES: dict[Scale, str] = {
    "full": "The paper's schedule; one teacher a pair, trained here.",
    "cpu": "Reduced: smaller networks or images, few epochs, a validation split: here only directions compare.",
    "smoke": "Smaller pairs, one epoch on the digits, to see every line run; the numbers say nothing.",
}


def table1(scale: Scale) -> list[Row]:
    """Its three pairs. full: the paper's schedule on all 50,000 images, best epoch on the test set beside the last.

    cpu: a declared reduction: smaller pairs, 14 epochs for teachers and 10 for students, a validation split, three
    seeds. smoke: these pairs, one epoch on the digits, to see every line run. Teachers are trained by the same recipe.
    """
    rows = []
    for pair in TABLE_1:
        teacher, student, size = (*pair, None) if scale == "full" else CPU_PAIRS[pair]
        if scale == "full":
            base = Config(data="cifar100", epochs=240, val=0.0, protocol="paper", optim=Optim(lr=0.05))
        elif scale == "cpu":
            base = Config(data="cifar100", epochs=10, size=size)
        else:
            base = Config(data="digits", epochs=1, size=8, val=0.8)
        rows.append(
            Row(
                name="-".join(pair),
                teacher=base.model_copy(
                    update={"student": teacher, "method": "ce", "epochs": 14 if scale == "cpu" else base.epochs}
                ),
                student=base.model_copy(update={"student": student, "any_teacher": scale == "smoke"}),
                variants={method: {"method": method} for method in ("ce", "kd", "da")},
                claims=printed(pair, scale),
                order=(("da", "kd"),),
                about=(("da", "kd", "best" if scale == "full" else "accuracy"),),
                like=scale == "full",
                seeds={"full": 5, "cpu": 3, "smoke": 1}[scale],
                note=NOTES[scale],
            )
        )
    return rows


def printed(pair: tuple[str, str], scale: Scale) -> dict[str, dict[str, Claim]]:
    """A pair's numbers by line and metric; where no epoch is chosen on test, what is printed stands beside the last."""
    claims = {}
    for line, (mean, sd), last in zip(("kd", "da"), TABLE_1[pair], LAST[pair], strict=True):
        best = Claim(SOURCE, mean, sd, 5, PROTOCOL)
        claims[line] = {"best": best, "accuracy": logged(last)} if scale == "full" else {"accuracy": best}
    return claims


def logged(values: Sequence[float]) -> Claim:
    """What some runs' logs say of their last epochs."""
    return Claim(LOGGED, round(fmean(values), 2), round(stdev(values), 2), len(values), "last epoch")


def figures(scale: Scale) -> list[Row]:
    """Figs. 3 and 4: Table I's distilled students and their teachers on images that DA moves, step by step.

    The paper prints no numbers, steps or rate: steps of 0.01778 are ours, up to 50 of them on 512 test images.
    """
    first = table1(scale)[0]  # the paper's are of this pair
    return [
        replace(
            first,
            variants={name: first.variants[name] for name in ("kd", "da")},
            claims={},
            order=(),
            about=(),
            against=("kd",),
            metrics=("accuracy", "climb/10", "climb/50"),
            climbed=True,
            note=f"{first.note} 512 test images, climbed by DA against each student and its teacher, 0.01778 a step.",
        )
    ]


OVER = ("perturb.steps=1..3", "perturb.alpha=log:0.001..0.1", "perturb.p=0.1..1.0")  # the paper's e, α and p
PRINTED = {"perturb.steps": 1, "perturb.alpha": 0.01778, "perturb.p": 0.7374}
FOUND = (
    f"The paper found e={PRINTED['perturb.steps']}, α={PRINTED['perturb.alpha']}, p={PRINTED['perturb.p']} (W&B Bayes, "
    "Hyperband from 100 epochs on with eta 50, up to 200 runs)"
)


def figure2(scale: Scale) -> Hunt:
    """Its search over e, α and p. full: the paper's pair, schedule and budget, but on a validation split, for the paper
    searched on the test set. cpu: a declared reduction: resnet20 → resnet8 on half of CIFAR-100's training images at
    16 pixels, the other half for validation, 4 epochs, 32 trials. smoke: seconds on the digits."""
    if scale == "full":
        base, teacher, student = Config(data="cifar100", epochs=240, optim=Optim(lr=0.05)), "resnet32x4", "resnet8x4"
        size = {"trials": 200, "shortest": 100, "eta": 50, "finalists": 3, "seeds": 5}
        note = f"{FOUND}; it chose by the test set's best epoch, and here validation images choose."
    elif scale == "cpu":
        base, teacher, student = Config(data="cifar100", epochs=4, size=16, val=0.5), "resnet20", "resnet8"
        size = {"trials": 32, "shortest": 1, "eta": 3, "finalists": 2, "seeds": 3}
        note = f"{FOUND}. Here: smaller networks, half the images at 16 × 16 pixels, 4 epochs: the optimum may differ."
    else:
        base, teacher, student = Config(data="digits", epochs=2), "mlp-64", "mlp-16"
        size = {"trials": 4, "shortest": 1, "eta": 3, "finalists": 1, "seeds": 2}
        note = f"{FOUND}. Here: the digits, to see every line run; the numbers say nothing."
    taught = {"student": teacher, "method": "ce", "epochs": 10 if scale == "cpu" else base.epochs}
    return Hunt(
        teacher=base.model_copy(update=taught),
        student=base.model_copy(update={"student": student, "method": "da", "any_teacher": scale == "smoke"}),
        over=OVER,
        printed=PRINTED,
        note=note,
        **size,
    )
