"""One paper each. A method is a choice for the bout's three slots; this page is where their names are looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate

from sparring.core import Setting
from sparring.methods import (
    attention,
    baseline,
    controls,
    da,
    disk,
    dist,
    dkd,
    ema,
    fitnets,
    hard,
    kd,
    mixing,
    pgd,
    semckd,
    simkd,
)
from sparring.methods.disk_options import IMAGENET
from sparring.parts.part import Objective, Perturb, Targets


@dataclass(frozen=True, slots=True)
class Slot:
    """What fills a slot: a name in the tables below, or an import path (`my_method.py:climb`), and its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slots:
    """A method: a sentence about it, and its choice for each slot. The defaults are the student alone."""

    about: str
    perturb: Slot = Slot("clean")
    targets: Slot = Slot("none")
    objective: Slot = Slot("ce")


# Each entry is called as factory(setting, **options); its keyword arguments are its configuration.
PERTURB: dict[str, Callable[Concatenate[Setting, ...], Perturb]] = {
    "clean": baseline.clean,
    "da": da.DisagreementAugmentation,
    "hard": hard.Hard,
    "gaussian-affine": controls.GaussianAffine,
    "mixup": mixing.mixup,
    "cutmix": mixing.cutmix,
    "mixes": mixing.mixes,
    "noise": mixing.noise,
    "pgd": pgd.Pgd,
    "fgsm": pgd.fgsm,
}
TARGETS: dict[str, Callable[Concatenate[Setting, ...], Targets]] = {
    "none": baseline.none,
    "teacher": kd.teacher,
    "ema": ema.Ema,
}
TEACHERLESS = frozenset({"none", "ema"})  # targets that ask no teacher
OBJECTIVE: dict[str, Callable[Concatenate[Setting, ...], Objective]] = {
    "ce": baseline.ce,
    "kd": kd.kd,
    "dkd": dkd.Decoupled,
    "dist": dist.dist,
    "disk": disk.Disk,
    "fitnets": fitnets.fitnets,
    "attention": attention.attention,
    "semckd": semckd.semckd,
    "simkd": simkd.simkd,
}

SOFT = (Slot("teacher"), Slot("kd", kd.PRESETS["kd-soft"][1]))  # HARD's KD on MNIST and CIFAR-10

METHODS: dict[str, Slots] = {
    "ce": Slots("the student alone: cross-entropy on the labels"),
    **{
        name: Slots(about, targets=Slot("teacher"), objective=Slot("kd", options))
        for name, (about, options) in kd.PRESETS.items()
    },
    "dkd": Slots(
        "Decoupled KD: CE + T² (TCKD + 8 NCKD), T = 4, growing over 20 epochs",
        targets=Slot("teacher"),
        objective=Slot("dkd"),
    ),
    "dkd-standardised": Slots(
        "Decoupled KD of z-scored logits: CE + 9 T² (TCKD + 8 NCKD), T = 2",
        targets=Slot("teacher"),
        objective=Slot("dkd", {"alpha": 9.0, "beta": 72.0, "T": 2.0, "standardise": True}),
    ),
    "dist": Slots(
        "DIST on CIFAR: CE + 2 τ² (inter + intra), correlations by image and by class, τ = 4",
        targets=Slot("teacher"),
        objective=Slot("dist"),
    ),
    "dist-imagenet": Slots(
        "DIST on ImageNet: CE + 2 (inter + intra), τ = 1", targets=Slot("teacher"), objective=Slot("dist", {"T": 1.0})
    ),
    "ema": Slots(
        "no teacher but the student's own moving average (mean teacher): CE + KL, T = 1",
        targets=Slot("ema"),
        objective=Slot("kd", {"T": 1.0, "ce": 1.0, "kd": 1.0}),
    ),
    "da": Slots("Disagreement Augmentation, as in its Table I", Slot("da"), Slot("teacher"), Slot("kd")),
    "da-release": Slots(
        "Disagreement Augmentation, as its public code has it since 2025",
        Slot("da", {"follow": "release", "normalise": "zscore"}),
        Slot("teacher"),
        Slot("kd", kd.PRESETS["kd-standardised"][1]),
    ),
    "hard-affine": Slots("HARD-Affine: learned affine maps, thresholds 5 % and 40 %", Slot("hard"), *SOFT),
    "hard-mix": Slots(
        "HARD-Mix: patches of a few images mixed by learned attention, moving on every batch",
        Slot("hard", {"augmentor": "mix", "turns": "joint", "lambda_t": 0.0}),
        *SOFT,
    ),
    "hard-vae": Slots(
        "HARD-VAE: images as a fine-tuned VAE draws them (perturb.vae=RUN of train-augmentor), 10 % and 60 %",
        Slot("hard", {"augmentor": "vae"}),
        *SOFT,
    ),
    "hard-vae-affine": Slots(
        "HARD-VAE-Affine: HARD-VAE, then a learned affine map", Slot("hard", {"augmentor": "vae-affine"}), *SOFT
    ),
    "disk": Slots(
        "DiSK: a guide censors what the student cannot learn; start the student from one trained alone",
        targets=Slot("teacher"),
        objective=Slot("disk"),
    ),
    "disk-release": Slots(
        "DiSK as its code for CIFAR has it", targets=Slot("teacher"), objective=Slot("disk", {"follow": "release"})
    ),
    "disk-imagenet": Slots(
        "DiSK as its code for ImageNet has it: guide and student move together",
        targets=Slot("teacher"),
        objective=Slot("disk", IMAGENET),
    ),
    "fitnets": Slots(
        "FitNets beside KD: one stage's features, through an adapter",
        targets=Slot("teacher"),
        objective=Slot("fitnets"),
    ),
    "attention": Slots(
        "attention transfer beside KD: where the stages look", targets=Slot("teacher"), objective=Slot("attention")
    ),
    "semckd": Slots(
        "SemCKD beside KD: every stage from every stage, by learned attention",
        targets=Slot("teacher"),
        objective=Slot("semckd"),
    ),
    "simkd": Slots(
        "SimKD: the student learns to feed the teacher's classifier", targets=Slot("teacher"), objective=Slot("simkd")
    ),
    "simkd-disk": Slots(
        "SimKD where DiSK's guide does not censor it (eq. 6)",
        targets=Slot("teacher"),
        objective=Slot("disk", {"hint": "simkd", "logits": 0.0}),
    ),
    "gaussian-affine": Slots("HARD-Affine's control: affine maps that nobody learns", Slot("gaussian-affine"), *SOFT),
}
