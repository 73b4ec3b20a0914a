"""DiSK's Table 7: ImageNet, ResNet50 → ResNet18, as its code has it.

SGD at 0.05 on batches of 384 for 90 epochs, a cosine to 0, weight decay 1e-4, bfloat16; the student starts pretrained
(the paper says it does not), and guide and student move together. Its RandAugment and its moving average of the
weights are not in: TrivialAugment stands in for the one, and the last weights are read.
"""

from __future__ import annotations

from sparring.recipes import disk_numbers
from sparring.recipes.config import Config, Optim
from sparring.recipes.hard_imagenet import DATA
from sparring.recipes.hard_tables import alone
from sparring.recipes.rows import Row, Scale

NEEDS: dict[tuple[str, Scale], str] = {("data", "full"): DATA, ("data", "smoke"): f"{DATA}; a small one will do"}
METHODS = {"ce": "ce", "kd": "kd-disk", "semckd": "semckd", "simkd": "simkd", "disk": "disk-imagenet"}
NOTE = (
    "As the code has it (joint, pretrained student), but TrivialAugment for RandAugment and no moving average. "
    "KD is the paper's eq. 1. SemCKD and SimKD were quoted from their paper; DiSK's code reports 72.35 for what the "
    "paper prints as 71.5."
)


def table7(scale: Scale) -> list[Row]:
    """One pair; torchvision's pretrained networks are the teacher and where the student starts.

    smoke: one epoch, tiny networks trained here, 28 pixels.
    """
    base = Config(
        student="torchvision:resnet18@pretrained",
        teacher="torchvision:resnet50@pretrained",
        data="",
        epochs=90,
        batch_size=384,
        val=0.01,
        size=224,
        precision="bf16",
        protocol="paper" if scale == "full" else "honest",
        augment="resized-crop+flip+trivial",
        optim=Optim(lr=0.05, schedule="cosine", weight_decay=1e-4),
    )
    if scale == "smoke":
        tiny = {"student": "resnet10-xxs", "teacher": None, "epochs": 1, "batch_size": 8, "val": 0.2, "size": 28}
        base = base.model_copy(update={**tiny, "precision": "float32", "any_teacher": True})
    return [
        Row(
            name="resnet50-resnet18",
            teacher=alone(base, "resnet10-xs") if scale == "smoke" else None,  # at full scale nobody trains it again
            student=base,
            variants={name: {"method": method} for name, method in METHODS.items()},
            claims=disk_numbers.imagenet() if scale == "full" else {},
            order=(("kd", "ce"), ("disk", "kd"), ("disk", "simkd")),
            about=(("disk", "kd", "best"), ("disk", "simkd", "best")),
            seeds=1,
            like=scale == "full",
            note=NOTE if scale == "full" else "One epoch of tiny networks on the images given, to see every line run.",
        )
    ]
