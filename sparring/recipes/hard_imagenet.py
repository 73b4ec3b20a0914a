"""HARD's Tables 3 and 4: ImageNet, and its variants.

The teacher is the ResNet50 that was trained with DeepAugment and AugMix. Students descend by Lion on batches of 512,
with a warm-up of 5 epochs and a cosine to 0, on images of 224 pixels in bfloat16; 1 % of the training images is held
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from sparring.recipes import hard_numbers
from sparring.recipes.config import Config, Optim
from sparring.recipes.hard_tables import POOL, TINY, alone, autoencoder
from sparring.recipes.rows import VAE, Row, Scale

CROPS = "resized-crop+flip"
DATA = "a folder of ImageNet's layout (train/CLASS, val/CLASS), as in --data ~/imagenet"
NEEDS: dict[tuple[str, Scale], str] = {
    ("data", "full"): DATA,
    ("data", "smoke"): f"{DATA}; a small one will do",
    ("teacher", "full"): "the ResNet50 of DeepAugment and AugMix, as in "
    "--teacher torchvision:resnet50@deepaugment_and_augmix.pth.tar (the file that the authors of ImageNet-R give)",
}
CAP = 2_500  # batches of 512: about an epoch
STUDENTS: Mapping[str, tuple[str, int]] = {  # (the network, its epochs)
    "resnet18": ("timm:resnet18", 200),
    "vit-s14": ("timm:vit_small_patch14_dinov2", 150),
}
TINY_STUDENTS = {"resnet18": "resnet10-xxs", "vit-s14": "vit-mnist"}
NOTE = (
    "As the paper lists it, one seed; HARD's variants see AugMix, then Mixup or CutMix, then the augmentor. Ours: of a "
    f"VAE's snapshots {POOL} are kept; the warm-up's length; the augmentor begins, and the student's phase ends after "
    f"{CAP:,} batches (an epoch), for on ImageNet its error never falls below l_min."
)


def table3(scale: Scale) -> list[Row]:
    """In-domain: validation images, and ReaL and V2 where --on has them. smoke: one epoch, tiny networks, 28 pixels."""
    return [made(3, student, scale) for student in STUDENTS]


def table4(scale: Scale) -> list[Row]:
    """The same runs, on the variants that --on has."""
    return [made(4, student, scale) for student in STUDENTS]


def made(number: int, name: str, scale: Scale) -> Row:
    """One student of either table."""
    net, epochs = STUDENTS[name]
    student = Config(data="", epochs=epochs, batch_size=512, val=0.01, size=224, precision="bf16", augment=CROPS)
    student = student.model_copy(update={"student": net, "optim": lion(1e-4, 1e-3)})
    teacher = vae = None
    if scale == "smoke":
        optim = Optim(name="adamw", lr=1e-3, schedule="cosine")
        tiny = {"epochs": 1, "batch_size": 8, "val": 0.2, "size": 28, "precision": "float32", "optim": optim}
        student = student.model_copy(update={**tiny, "student": TINY_STUDENTS[name], "any_teacher": True})
        teacher = alone(student, "resnet10-xxs")
        vae = autoencoder("vdvae-mnist", student, 1).model_copy(update={"batch_size": 8})
    return Row(
        name=name,
        teacher=teacher,
        student=student,
        variants=variants(name, scale),
        claims=hard_numbers.imagenet(number, name),
        order=(("kd", "student-only"), *((name, "kd") for name in ("hard-affine", "hard-mix", "hard-vae"))),
        about=claimed(number, name),
        seeds=1,
        vae=vae,
        like=scale == "full",
        note=TINY.replace("the digits", "the images given") if scale == "smoke" else NOTE,
    )


def claimed(number: int, name: str) -> tuple[tuple[str, str, str], ...]:
    """Table 3: what a student's best augmentor, as printed, adds to KD. Table 4: KD and HARD-Affine out of domain."""
    if number == 3:
        return (({"resnet18": "hard-affine", "vit-s14": "hard-vae"}[name], "kd", "accuracy"),)
    pairs = (("kd", "student-only"), ("hard-affine", "kd"))
    return tuple((*pair, metric) for pair in pairs for metric in hard_numbers.TABLE_4_METRICS)


def variants(name: str, scale: Scale) -> dict[str, Mapping[str, Any]]:
    """The student alone, by KD and by HARD. At smoke scale with the row's own optimiser."""
    mild = {"method": "ce", "perturb": "mixes", "perturb.mixup": 0.2, "perturb.cutmix": 1.0, "objective.smoothing": 0.1}
    if name == "vit-s14":
        mild["augment"] = f"{CROPS}+trivial+erase"
    mixed = {"perturb": "mixes", "perturb.mixup": 1.0, "perturb.cutmix": 1.0}
    soft = {**mixed, "perturb": "mixes+hard", "perturb.T": 1.0, "objective.T": 1.0}
    phased = {**soft, "perturb.begin": "augmentor", "perturb.student_cap": CAP}
    taught: dict[str, dict[str, Any]] = {
        "kd": {"method": "kd-soft-imagenet", **mixed},
        "hard-affine": {"method": "hard-affine", **phased},
        "hard-mix": {"method": "hard-mix", **soft},
        "hard-vae": {"method": "hard-vae", "perturb.vae": VAE, "perturb.pool": POOL, **phased},
    }
    for key, changes in taught.items():
        changes["augment"] = f"{CROPS}+augmix"
        if scale == "full" and key != "kd" and name == "resnet18":
            changes["optim.weight_decay"] = 0.05
    if scale == "full":
        rate, decay = {"resnet18": (1e-4, 0.1), "vit-s14": (5e-5, 1e-3)}[name]
        mild |= {"optim.lr": rate, "optim.weight_decay": decay}
    return {"student-only": mild, **taught}


def lion(lr: float, weight_decay: float) -> Optim:
    """Lion, in 8 bits where the package for it is here, as the paper's."""
    name = "lion8bit" if find_spec("bitsandbytes") else "lion"
    return Optim(name=name, lr=lr, weight_decay=weight_decay, schedule="cosine", warmup=5.0)
