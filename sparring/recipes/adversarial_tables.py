"""Tables 1 to 5 of "Knowledge distillation in an adversarial context": what a teacher is for, and what attacks leave.

The paper prints few of its settings: optimisers, weights, temperatures, ε and a are ours or those of the works that it
reproduces, as each row's note tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sparring.recipes.config import Config, Optim, merged
from sparring.recipes.earlier import SEED
from sparring.recipes.hard_tables import alone
from sparring.recipes.rows import TEACHER, Attack, Claim, Row, Scale

Variants = Mapping[str, Mapping[str, Any]]
PAPER = "KD in an adversarial context"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OMITTED: Mapping[str, tuple[float, float, float]] = {  # Table 2, %: without KD w/o the digit; with KD w/o it, only it
    "one": (98.03, 98.25, 98.50),
    "two": (98.12, 98.51, 92.73),
}
ADAM = Optim(name="adam", lr=1e-3, weight_decay=0.0, schedule="constant")
SOFT: Mapping[str, Any] = {"objective.ce": 0.0, "objective.kd": 1.0}
MNIST = (
    "Ours where nothing is printed: Adam at 1e-3 on batches of 128 for 20 epochs, pixels as they are; kd is 0.1 CE + "
    "0.9 T² KL, kd-soft T² KL alone, T = 10. One teacher for all seeds, trained here on shifted images (±2 pixels) of "
    "all digits; the students' are not shifted."
)
PAIR = ("resnet8", "resnet20")
CIFAR: dict[Scale, str] = {
    "full": "Tf-KD's recipe, which the paper follows: SGD at 0.1, batches of 128, 200 epochs, one of warm-up, × 0.2 at "
    "60, 120 and 160, crop, flip and rotation; its weights for CIFAR-100, free of K. A tenth of the images is held "
    "out. tfkd-self trains its earlier self anew for each seed, by another seed.",
    "cpu": "Reduced: ResNet8 for ResNet18, ResNet20 for ResNet50, images of 16 pixels, few epochs of that course, no "
    "rotation; a tenth of the images is held out: with the paper only directions compare.",
    "smoke": "Smoke scale: an epoch on the digits, to see every line run; the numbers say nothing.",
}
READ = (
    "PGD-7 from a random start on the label's cross-entropy, the student in eval mode; α = 0.5; self T = 4, its "
    "teacher asked about the clean image; reg a = 0.9; ARD's KL is T² times the batch's mean. Table 5's second line "
    "has two readings: clean-akd learns from clean images and a robust teacher, akd is trained adversarially too. One "
    "robust teacher for all lines and seeds, of the student's kind, trained here by another seed; the last epoch "
    "counts (none is chosen by PGD on validation). "
)
TAUGHT = ("clean-akd", "akd", "at-tfkd-reg", "at-tfkd-self")  # the lines of Table 5 that have a teacher
WARMUP = 3.0  # epochs; at 0.3 from the first step on, the small CNN named one class for all of MNIST
UNDER_ATTACK: dict[Scale, str] = {
    "full": f"{READ}ε, η, α, τ and a are not printed: 8/255 and 2/255 are CIFAR-10's custom.",
    "cpu": f"{READ}Reduced: a CNN of 0.2 M parameters, few epochs by Adam, of which attacks grow over the first "
    "three, AutoAttack on 1,000 test images: with the paper only directions compare.",
    "smoke": "Smoke scale: three epochs on the digits, to see every line run; the numbers say nothing.",
}
TINY = "Smoke scale: an epoch or two on the digits, to see every line run; the numbers say nothing."


def perceptrons(scale: Scale) -> tuple[Config, Config]:
    """MNIST's teacher 784-1200-1200-10 and its student 784-400-10, at their full length even on a CPU."""
    if scale == "smoke":
        base = Config(data="digits", epochs=1, optim=ADAM, augment="none")
        return alone(base, "mlp-64"), base.model_copy(update={"student": "mlp-16", "any_teacher": True})
    base = Config(data="mnist", epochs=20, batch_size=128, augment="none", normalise="none", optim=ADAM)
    return alone(base.model_copy(update={"augment": "shift2"}), "mlp-1200"), base.model_copy(
        update={"student": "mlp-400"}
    )


def table1(scale: Scale) -> list[Row]:
    """MNIST: a large and a small perceptron, the small one alone and distilled."""
    teacher, student = perceptrons(scale)
    printed = {TEACHER: 98.98, "ce": 98.06, "kd": 98.73}
    return [
        Row(
            name="mnist",
            teacher=teacher,
            student=student,
            variants=mixes(),
            claims={line: {"accuracy": claim("Table 1", number)} for line, number in printed.items()},
            seeds=seeds(scale, 5),
            against=("ce",),
            order=(("kd", "ce"),),
            about=(("kd", "ce", "accuracy"),),
            like=scale != "smoke",
            note=TINY if scale == "smoke" else MNIST,
        )
    ]


def table2(scale: Scale) -> list[Row]:
    """MNIST: each digit in turn is held out of what the student learns from, and of nothing that its teacher saw."""
    teacher, student = perceptrons(scale)
    return [
        Row(
            name=f"without-{name}",
            teacher=teacher,
            student=student.model_copy(update={"omit": (str(digit),)}),
            variants=mixes(),
            claims=omitted(name),
            seeds=seeds(scale, 5),
            against=("ce",),
            order=(("kd", "ce"),),
            about=(("kd", "ce", "only"),),
            like=scale != "smoke",
            metrics=("accuracy", "without", "only"),
            note=TINY if scale == "smoke" else MNIST,
        )
        for digit, name in enumerate(DIGITS)
        if scale != "smoke" or name in OMITTED
    ]


def mixes() -> dict[str, Mapping[str, Any]]:
    """The student alone, and both mixes of the distillation loss."""
    return {
        "ce": {"method": "ce"},
        "kd": {"method": "kd-adversarial"},
        "kd-soft": {"method": "kd-adversarial", **SOFT},
    }


def omitted(name: str) -> dict[str, dict[str, Claim]]:
    """What Table 2 prints of a digit, by line and metric."""
    if name not in OMITTED:
        return {}
    ce, without, only = OMITTED[name]
    source = "Table 2"
    return {
        "ce": {"without": claim(source, ce), "only": claim(source, 0.0)},
        "kd": {"without": claim(source, without), "only": claim(source, only)},
    }


def table3(scale: Scale) -> list[Row]:
    """Tables 3 and 4, and De-KD: a large network taught by a small one, one taught badly, and one by itself.

    cpu: ResNet8 and ResNet20 on CIFAR-10 at 16 pixels, 8 epochs. smoke: one epoch on the digits.
    """
    base, small, large = images(scale)
    first, second = alone(base, small), base.model_copy(update={"student": large})
    reversed_kd: Variants = {"ce": {"method": "ce"}, "ls": {"method": "ls"}, "rekd": {"method": "rekd"}}
    free = ("ce", "ls", "ls-tfkd", "tfkd-reg", "tfkd-reg-paper", "tfkd-reg-literal", "tfkd-self")
    printed = {
        "reversed": {TEACHER: (94.98, 0.10), "ce": (95.29, 0.09), "rekd": (95.46, 0.12)},
        "poor-teacher": {"ce": (95.29, 0.09)},
        "teacher-free": {"ce": (94.98, 0.10), "tfkd-reg": (95.39, 0.15), "tfkd-self": (95.42, 0.13)},
    }
    variants: dict[str, Variants] = {
        "reversed": reversed_kd,
        "poor-teacher": {name: reversed_kd[name] for name in ("ce", "rekd")},
        "teacher-free": {name: {"method": name} for name in free},
    }
    poor = first.model_copy(update={"epochs": 1, "gradients": None})  # it is over before the others' are looked at
    teachers = {"reversed": first, "poor-teacher": poor, "teacher-free": None}
    students = {"reversed": second, "poor-teacher": second, "teacher-free": base.model_copy(update={"student": small})}
    return [
        Row(
            name=name,
            teacher=teachers[name],
            taught="poorly" if name == "poor-teacher" else "",
            student=students[name],
            variants=variants[name],
            claims={line: {"accuracy": claim("Tables 3 and 4", *of, 3)} for line, of in numbers.items()},
            order=tuple((line, "ce") for line in ("rekd", "tfkd-reg", "tfkd-self") if line in numbers),
            about=(("rekd", "ce", "accuracy"),) if "rekd" in numbers else (),
            like=scale == "full",
            seeds=seeds(scale, 3),
            against=tuple(line for line in ("ce", "ls") if line in variants[name]),
            note=CIFAR[scale],
        )
        for name, numbers in printed.items()
    ]


def images(scale: Scale) -> tuple[Config, str, str]:
    """CIFAR-10's recipe of Tf-KD's code, a small network and a large one."""
    rate = Optim(lr=0.1, schedule="steps", milestones=(0.3, 0.6, 0.8), decay=0.2, warmup=1.0)
    base = Config(data="cifar10", epochs=200, batch_size=128, augment="crop+flip+rotate", optim=rate, gradients=10)
    if scale == "full":
        return base, "resnet18", "resnet50"
    if scale == "cpu":
        return base.model_copy(update={"epochs": 8, "size": 16, "augment": "crop+flip", "gradients": 4}), *PAIR
    told = {"data": "digits", "epochs": 1, "augment": "none", "any_teacher": True, "gradients": 1}
    return base.model_copy(update=told), "mlp-16", "mlp-32"


def table5(scale: Scale) -> list[Row]:
    """Adversarial training, alone and with a teacher of every kind: clean accuracy, and what AutoAttack leaves of it.

    full: ResNet18 on CIFAR-10 at 8/255, all test images. cpu: a small CNN on MNIST at 0.3 and on Fashion-MNIST at 0.1,
    1,000 images. smoke: three epochs on the digits.
    """
    return [attacked_row(scale, name, base, eps) for name, (base, eps) in worlds(scale).items()]


def worlds(scale: Scale) -> dict[str, tuple[Config, float]]:
    """What is trained on what, and how far its images may move."""
    if scale == "full":
        fall = Optim(lr=0.1, schedule="exponential", decay=0.01)
        told = Config(student="resnet18", data="cifar10", epochs=50, batch_size=128, augment="crop+flip", optim=fall)
        return {"cifar10": (told, 8 / 255)}
    fall = Optim(name="adam", lr=1e-3, weight_decay=0.0, schedule="exponential", decay=0.1)
    base = Config(student="small-cnn", batch_size=128, augment="none", normalise="none", optim=fall)
    if scale == "smoke":
        told = {"data": "digits", "student": "small-cnn", "epochs": 3, "any_teacher": True}
        told["batch_size"] = 16  # long enough to learn something: what names one class for all falls to no attack
        return {"digits": (base.model_copy(update=told), 0.1)}
    base = base.model_copy(update={"epochs": 8})
    return {
        "mnist": (base.model_copy(update={"data": "mnist"}), 0.3),
        "fashion-mnist": (base.model_copy(update={"data": "fashion-mnist"}), 0.1),
    }


def attacked_row(scale: Scale, name: str, base: Config, eps: float) -> Row:
    """Table 5 on one data set; every line's attack within eps, in steps of 2.5 eps over their number."""
    seven, ten = ({"perturb.eps": eps, "perturb.size": 2.5 * eps / steps} for steps in (7, 10))
    if scale == "full":
        seven = ten = {"perturb.eps": eps, "perturb.size": 2 / 255}
    if scale != "full":
        warmup = WARMUP if scale == "cpu" else 1.0
        seven, ten = ({**each, "perturb.warmup": warmup} for each in (seven, ten))
    attacks = {"full": Attack(eps, None), "cpu": Attack(eps, 1000)}
    attacks["smoke"] = Attack(0.5, 16)  # so far that the first attack is nearly the last
    halves = {"objective.T": 1.0, "objective.ce": 0.5, "objective.kd": 0.5}
    variants: dict[str, Mapping[str, Any]] = {
        "at": {"method": "at", **seven},
        "clean-akd": {"method": "kd", **halves},
        "akd": {"method": "akd", **seven},
        "at-tfkd-reg": {"method": "at-tfkd-reg", **seven},
        "at-tfkd-self": {"method": "at-tfkd-self", **seven},
        "ard": {"method": "ard", **ten},
        "rslad": {"method": "rslad", **ten},
        "da-pgd": {"method": "da-pgd", **seven},
    }
    first = base.model_copy(update={"method": "at", "seed": SEED})
    return Row(
        name=name,
        teacher=merged(first, seven),
        taught=f"at-{name}",  # the rows lie in one folder, and each has a teacher of its own
        student=base,
        variants=variants,
        claims=robust_claims(),
        order=tuple((line, "at") for line in TAUGHT),
        about=tuple((line, "at", "autoattack") for line in TAUGHT),
        printed_of="" if scale == "full" else "CIFAR-10",
        like=scale == "full",
        seeds=seeds(scale, 3),
        metrics=("accuracy", "autoattack"),
        against=("at",),
        attack=attacks[scale],
        note=UNDER_ATTACK[scale],
    )


def robust_claims() -> dict[str, dict[str, Claim]]:
    """Table 5, one run each; what is printed of its second line stands beside both readings of it."""
    printed = {
        "at": (84.22, 46.99),
        "akd": (82.70, 47.66),
        "at-tfkd-reg": (82.02, 48.28),
        "at-tfkd-self": (81.53, 48.83),
    }
    both = printed | {"clean-akd": printed["akd"]}
    return {
        line: {"accuracy": claim("Table 5", clean), "autoattack": claim("Table 5", left)}
        for line, (clean, left) in both.items()
    }


def figure1(scale: Scale) -> list[Row]:
    """Fig. 1: how large the gradients are in a network's layers, alone and under both teacher-free methods."""
    (row,) = (row for row in table3(scale) if row.name == "teacher-free")
    lines = ("ce", "tfkd-reg", "tfkd-self")
    return [
        replace(
            row, variants={name: row.variants[name] for name in lines}, claims={}, against=("ce",), order=(), about=()
        )
    ]


def table4(scale: Scale) -> list[Row]:
    """Table 4 alone: the small network taught by itself and by nobody, of Table 3's runs."""
    about = tuple((line, "ce", "accuracy") for line in ("tfkd-reg", "tfkd-self"))
    return [replace(row, about=about) for row in table3(scale) if row.name == "teacher-free"]


def seeds(scale: Scale, many: int) -> int:
    """How many of a scale."""
    return 1 if scale == "smoke" else many


def claim(table: str, mean: float, sd: float | None = None, n: int | None = None) -> Claim:
    """A printed number in %."""
    return Claim(f"{PAPER}, {table}", mean, sd, n, "not told")
