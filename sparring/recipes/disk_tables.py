"""DiSK's Tables 3 to 8: large and small gaps in capacity on CIFAR-100 and Tiny-ImageNet, and ImageNet.

One recipe for every line: SGD at 0.1 on batches of 200 for 200 epochs, a cosine to 0, weight decay 5e-4, crop, flip,
AutoAugment and Cutout. Whoever learns from a teacher starts from the student that was trained alone. DiSK turns three
times over the data for each of the student's rounds, so KD is run for its number of updates too ("kd-matched").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparring.recipes import disk_numbers
from sparring.recipes.config import Config, Optim
from sparring.recipes.hard_tables import alone
from sparring.recipes.rows import TEACHER, Claim, Row, Scale, start

Claims = dict[str, dict[str, Claim]]
COSINE = Optim(lr=0.1, schedule="cosine")
POLICY = "crop+flip+auto+cutout"
FULL = Config(data="cifar100", epochs=200, batch_size=200, augment=POLICY, val=0.0, protocol="paper", optim=COSINE)
WARM = {"student": start("ce")}
FEATURES = {name: {"method": name, **WARM} for name in ("fitnets", "semckd", "simkd", "simkd-disk")}
LOGITS = {name: {"method": name, **WARM} for name in ("dkd", "dist", "kd-standardised")}
READ = ("disk", "disk-release", "disk-chosen")  # the method, as the paper has it, its code, and we
GAPS = (("kd", "ce"), *((name, "kd") for name in READ))
CHOSEN = {  # what did best on validation among the readings that were tried: docs/disk.md
    "objective.guide": "mlp",
    "objective.guide_lr": 0.001,
    "objective.lambda_min": 50.0,
    "objective.lambda_max": 50.0,
    "objective.inner": 1.0,
    "objective.first": 1.0,
}
LONG = "200 epochs for each line, and 600 for DiSK, as its code counts them, and for KD and SimKD of as many updates. "
SAME = "Every line sees the same augmentation, drawn anew in every epoch"
SEEN = "Teacher and student alone see augmentations that are drawn anew in every epoch, every other line the same "
WARMED = "; whoever learns from a teacher starts from the student alone. "
BOTH = (
    "disk is the paper's loss, disk-release the loss and guide of its code, with the other lines' optimiser; what is "
    "published came from that code, and stands beside both. "
)
CHOICE = (
    "disk is the paper's loss, read literally; disk-chosen the code's losses, a perceptron guide with its own Adam at "
    "1e-3 and λ = 50 throughout, chosen on validation with one seed and one pair (docs/disk.md). "
)
JITTER = " Images are cropped, resized and flipped as by the code, without its colour jitter and PCA lighting."
NOTES: dict[Scale, str] = {
    "full": f"{LONG}{SAME}{WARMED}{BOTH}"
    "Published feature methods are quoted from another paper with milder augmentation.",
    "cpu": f"{SEEN}five views of each image again and again{WARMED}{CHOICE}"
    "Reduced: few epochs (of DiSK turns of one epoch; kd-matched is KD of as many updates), a validation split: with "
    "the paper only directions compare.",
    "smoke": f"{CHOICE}An epoch or two on the digits, to see every line run; the numbers say nothing.",
}


def table3(scale: Scale) -> list[Row]:
    """Tables 3 and 5. full: four teachers × four students, on CIFAR-100 and on Tiny-ImageNet (its own augmentation).

    cpu: ResNet10-l and two students on CIFAR-100, a declared reduction. smoke: one epoch on the digits.
    """
    if scale == "full":
        pairs = [(teacher, student) for teacher in disk_numbers.TEACHERS for student in disk_numbers.ALONE]
        return [large(*pair, scale, tiny=tiny) for tiny in (False, True) for pair in pairs]
    return [large("resnet10-l", student, scale) for student in ("resnet10-xxs", "resnet10-s")]


def large(teacher: str, student: str, scale: Scale, *, tiny: bool = False) -> Row:
    """One pair of Table 3: the student alone, KD, KD of as many updates as DiSK, DiSK."""
    base, rounds, long = {"full": (FULL, 200, 600), "cpu": (short(), 4, 12), "smoke": (smoke(), 1, 2)}[scale]
    if tiny:
        base = base.model_copy(update={"data": "tiny-imagenet", "augment": "resized-crop+flip"})
    variants: dict[str, Mapping[str, Any]] = {
        "ce": {"method": "ce", "teacher": None, "cache": None, "views": None},
        "kd": {"method": "kd-disk", **WARM, "epochs": rounds},
        "kd-matched": {"method": "kd-disk", **WARM, "epochs": long},
    }
    variants |= {name: {**changes, "epochs": long} for name, changes in readings(scale).items()}
    return Row(
        name=f"{teacher}-{student}" + ("-tiny" if tiny else ""),
        teacher=teacher_of(base, teacher, 16 if scale == "cpu" else base.epochs),
        student=base.model_copy(update={"student": student}),
        variants=variants,
        claims=at_scale(disk_numbers.large_gap(teacher, student, tiny=tiny), scale),
        against=("kd-matched",),
        order=GAPS,
        about=claimed(READ, "kd", scale),
        matched={"kd": "kd-matched"},
        like=scale == "full",
        seeds=1 if scale == "smoke" else 3,
        note=NOTES[scale] + (JITTER if tiny else ""),
    )


def table5(scale: Scale) -> list[Row]:
    """Table 5: Table 3's teachers and students on the labels alone, each student once."""
    rows = {(row.student.data, row.student.student): row for row in reversed(table3(scale))}
    return [
        replace(
            row,
            variants={"ce": row.variants["ce"]},
            claims={line: numbers for line, numbers in row.claims.items() if line in (TEACHER, "ce")},
            order=(),
            about=(),
            matched={},
        )
        for row in reversed(rows.values())
    ]


def claimed(readings: Sequence[str], rival: str, scale: Scale) -> tuple[tuple[str, str, str], ...]:
    """That each reading of a method beats a rival: where epochs are chosen on test, as printed, at its best epoch."""
    return tuple((name, rival, "best" if scale == "full" else "accuracy") for name in readings)


def readings(scale: Scale) -> dict[str, dict[str, Any]]:
    """DiSK as the paper has it; beside it as its code has it, or, at smaller scales, as was chosen on validation."""
    if scale == "full":
        return {name: {"method": name, **WARM} for name in ("disk", "disk-release")}
    return {
        "disk": {"method": "disk", **WARM, "objective.inner": 1.0},
        "disk-chosen": {"method": "disk-release", **WARM, **CHOSEN},
    }


def table4(scale: Scale) -> list[Row]:
    """Tables 4, 6 and 8: small gaps, with feature methods and, ours, the newer logit losses.

    cpu: resnet20 → resnet8 at 16 pixels, crop and flip, a declared reduction. smoke: one epoch on the digits.
    """
    pairs = list(disk_numbers.SMALL_GAP) if scale == "full" else [("resnet32x4", "resnet8x4")]
    return [small(pair, scale) for pair in pairs]


def small(pair: tuple[str, str], scale: Scale) -> Row:
    """One pair of Table 4."""
    teacher, student = pair if scale == "full" else {"cpu": ("resnet20", "resnet8")}.get(scale, ("resnet14", "resnet8"))
    base = {"full": FULL, "cpu": small_cpu(), "smoke": smoke()}[scale]
    rounds = {"full": base.epochs, "cpu": 6, "smoke": 1}[scale]
    variants: dict[str, dict[str, Any]] = {"kd": {"method": "kd-disk", **WARM}, **LOGITS}
    variants |= {name: dict(changes) for name, changes in FEATURES.items()}
    if scale != "full":
        variants["simkd-disk"]["objective.inner"] = 1.0
        variants["simkd-disk-chosen"] = FEATURES["simkd-disk"] | CHOSEN
        variants["semckd"]["optim.clip"] = 5.0  # on maps of so few channels its weight of 400 grows without bound
        variants["dkd"] = {**LOGITS["dkd"], "objective.warmup": 1}
    variants = {name: {**changes, "epochs": rounds} for name, changes in (variants | readings(scale)).items()}
    if scale == "full":
        for name in ("simkd-disk", "disk", "disk-release"):
            variants[name]["epochs"] = 3 * rounds
        for name in ("kd", "simkd"):
            variants[f"{name}-matched"] = {**variants[name], "epochs": 3 * rounds}
        if pair == ("wrn-40-2-post", "wrn-40-1-post"):
            variants["dkd"]["objective.beta"] = 6.0  # DKD's own for this pair
    alone_first = {"ce": {"method": "ce", "teacher": None, "cache": None, "views": None}}
    return Row(
        name="-".join(pair),
        teacher=teacher_of(base, teacher, 20 if scale == "cpu" else base.epochs),
        student=base.model_copy(update={"student": student}),
        variants=alone_first | variants,
        claims=at_scale(disk_numbers.small_gap(pair), scale),
        against=("kd-matched", "simkd-matched") if scale == "full" else ("kd",),
        order=(*GAPS, ("simkd-disk", "simkd"), ("simkd-disk-chosen", "simkd")),
        about=claimed(READ, "kd", scale),
        matched={name: f"{name}-matched" for name in ("kd", "simkd")} if scale == "full" else {},
        like=scale == "full",
        seeds=1 if scale == "smoke" else 3,
        note={"full": NOTES["full"], "cpu": SMALL_NOTE, "smoke": f"{NOTES['smoke']} {SIMKD_CHOICE}"}[scale],
    )


def table8(scale: Scale) -> list[Row]:
    """Table 8: SimKD with and without DiSK, of the pairs of which it is printed."""
    kept = ("ce", *(f"simkd{more}" for more in ("", "-matched", "-disk", "-disk-chosen")))
    rows = [row for row in table4(scale) if scale != "full" or "simkd-disk" in row.claims]
    if scale != "full":  # what is printed of its first pair stands beside the reduction
        printed = at_scale(disk_numbers.small_gap(("wrn-40-2-post", "resnet8x4")), scale)
        rows = [replace(row, claims=printed, printed_of="wrn-40-2 → resnet8x4") for row in rows]
    return [
        replace(
            row,
            variants={name: changes for name, changes in row.variants.items() if name in kept},
            claims={line: numbers for line, numbers in row.claims.items() if line in (TEACHER, *kept)},
            about=claimed(("simkd-disk", "simkd-disk-chosen"), "simkd", scale),
            matched={name: other for name, other in row.matched.items() if name in kept},
        )
        for row in rows
    ]


SIMKD_CHOICE = (
    "simkd-disk-chosen is simkd-disk with the guide, its Adam and the λ of disk-chosen, taken over and not chosen "
    "anew: in a smoke run of one epoch, at λ = 0.1, the guide ran to 1 by the student's SGD. "
)
SMALL_NOTE = (
    f"{SEEN}three views of each image again and again{WARMED}{CHOICE}{SIMKD_CHOICE}"
    "Reduced: 16 pixels, crop and flip, batches of 64 at 0.05, few epochs (turns of one where there is a guide, DKD's "
    "ramp over one, SemCKD's gradient clipped at 5), a validation split: with the paper only directions compare."
)


def at_scale(claims: Claims, scale: Scale) -> Claims:
    """What is printed, at a smaller scale of the last epoch (none is chosen on test) and of our chosen readings too."""
    if scale == "full":
        return claims
    both = {f"{name}-chosen": claims[name] for name in ("disk", "simkd-disk") if name in claims}
    told = {line: numbers for line, numbers in (claims | both).items() if line != "disk-release"}
    return {line: {"accuracy": numbers["best"]} for line, numbers in told.items()}


def short() -> Config:
    """The CPU's recipe of Table 3: the teacher's answers are kept, for five views of each image."""
    shorter = {"epochs": 12, "val": 0.1, "protocol": "honest", "cache": "auto", "views": 5}
    return FULL.model_copy(update=shorter)


def small_cpu() -> Config:
    """The CPU's recipe of Table 4."""
    shorter = {"epochs": 12, "val": 0.1, "protocol": "honest", "cache": "auto", "views": 3, "size": 16}
    optim = Optim(lr=0.05, schedule="cosine")
    return FULL.model_copy(update=shorter | {"augment": "crop+flip", "batch_size": 64, "optim": optim})


def smoke() -> Config:
    """One epoch on a fifth of the digits, at 16 pixels: what a network of four stages needs."""
    few = Config(data="digits", size=16, epochs=1, val=0.8, augment="crop+flip", optim=COSINE, any_teacher=True)
    return few.model_copy(update={"batch_size": 64})


def teacher_of(base: Config, net: str, epochs: int) -> Config:
    """How a row's teacher is trained: as the students, alone."""
    plain = {"epochs": epochs, "cache": None, "views": None, "any_teacher": False}
    return alone(base.model_copy(update=plain), net)
