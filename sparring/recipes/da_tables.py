"""Disagreement Augmentation, Table I: CIFAR-100, best test accuracy of 240 epochs, mean ± sample sd over 5 runs."""

from __future__ import annotations

from sparring.recipes.config import Config, Optim
from sparring.recipes.rows import Claim, Row, Scale

SOURCE, PROTOCOL = "Disagreement Augmentation, Table I", "best epoch on the test set"
TABLE_1 = {  # (teacher, student): (KD mean, sd), (DA mean, sd)
    ("resnet32x4", "resnet8x4"): ((73.66, 0.26), (74.59, 0.24)),
    ("vgg13", "vgg8"): ((73.33, 0.25), (73.76, 0.29)),
    ("resnet32x4", "shufflenetv2"): ((71.67, 0.34), (73.70, 0.19)),
}
CPU_PAIRS = {  # smaller pairs of the same families, and 16 × 16 pixels where those are still too slow for a CPU
    ("resnet32x4", "resnet8x4"): ("resnet20", "resnet8", None),
    ("vgg13", "vgg8"): ("vgg13", "vgg8", 16),
    ("resnet32x4", "shufflenetv2"): ("resnet20", "shufflenetv2", 16),
}
NOTES: dict[Scale, str] = {
    "full": "The paper's schedule; one teacher a pair, trained here.",
    "cpu": "Smaller pairs, 10 epochs, a validation split, three seeds: nothing published belongs beside them.",
    "smoke": "Smaller pairs, one epoch on the digits, to see every line run; the numbers say nothing.",
}


def table1(scale: Scale) -> list[Row]:
    """Its three pairs. full: the paper's schedule on all 50,000 images, best epoch on the test set beside the last.

    cpu: a declared reduction: smaller pairs, 14 epochs for teachers and 10 for students, a validation split, three
    seeds. smoke: these pairs, one epoch on the digits, to see every line run. Teachers are trained by the same recipe.
    """
    rows = []
    for pair, ((kd, kd_sd), (da, da_sd)) in TABLE_1.items():
        teacher, student, size = (*pair, None) if scale == "full" else CPU_PAIRS[pair]
        if scale == "full":
            base = Config(data="cifar100", epochs=240, val=0.0, protocol="paper", optim=Optim(lr=0.05))
        elif scale == "cpu":
            base = Config(data="cifar100", epochs=10, size=size)
        else:
            base = Config(data="digits", epochs=1, size=8)
        rows.append(
            Row(
                name="-".join(pair),
                teacher=base.model_copy(
                    update={"student": teacher, "method": "ce", "epochs": 14 if scale == "cpu" else base.epochs}
                ),
                student=base.model_copy(update={"student": student, "any_teacher": scale == "smoke"}),
                variants={method: {"method": method} for method in ("ce", "kd", "da")},
                claims={
                    "kd": {"best": Claim(SOURCE, kd, kd_sd, 5, PROTOCOL)},
                    "da": {"best": Claim(SOURCE, da, da_sd, 5, PROTOCOL)},
                }
                if scale == "full"
                else {},
                seeds={"full": 5, "cpu": 3, "smoke": 1}[scale],
                note=NOTES[scale],
            )
        )
    return rows
