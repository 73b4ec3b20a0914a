"""What a recipe costs at a scale: its runs, counted; and hours, estimated from multiply-adds and two known speeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sparring import nets
from sparring.evaluate import macs
from sparring.launch.planned import Wish, planned
from sparring.recipes.config import Config
from sparring.recipes.rows import Hunt, Row, Scale

IMAGES = {"cifar100": 50_000, "cifar10": 50_000, "mnist": 60_000, "fashion-mnist": 60_000, "tiny-imagenet": 100_000}
IMAGES |= {"digits": 1_437, "mnist1d": 4_000, "": 1_281_167}
SHAPES = {"cifar100": (3, 32), "cifar10": (3, 32), "mnist": (1, 28), "fashion-mnist": (1, 28), "digits": (1, 8)}
SHAPES |= {"tiny-imagenet": (3, 64), "mnist1d": (1, 40), "": (3, 224)}
CLASSES = {"cifar100": 100, "tiny-imagenet": 200, "": 1000}
GPU = 1.4e13  # multiply-adds a second: DA's public logs, KD resnet32x4 → resnet8x4, 240 epochs in 23 min on an RTX 4090
CPU = 3.8e10  # the median over 179 kept runs, on two shared cores
STEP = 0.006  # seconds that a step takes at the least, on either
KNOWN = {  # multiply-adds of networks of timm's and torchvision's, which need not be here, at the recipe's pixels
    "torchvision:resnet18": 1.8e9, "torchvision:resnet50": 4.1e9, "timm:resnet18": 1.8e9, "timm:resnet101": 1.6e8,
    "timm:vit_small_patch14_dinov2": 6.1e9,
}  # fmt: skip
EXTRA = {  # multiples of a forward pass of (student, teacher) in a step beyond training and being asked
    "da": (1.5, 1.5), "da-pgd": (14, 14), "at": (14, 0), "akd": (14, 0), "at-tfkd-reg": (14, 0),
    "at-tfkd-self": (31, 0),
    "ard": (20, 0), "rslad": (20, 0), "hard-affine": (3, 3), "hard-mix": (3, 3), "hard-vae": (3, 3),
    "hard-vae-affine": (3, 3), "tfkd-self": (3, 0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """Trainings, the longest one's epochs, and hours as estimated."""

    runs: int
    epochs: int
    hours: float


def cost(rows: list[Row], scale: Scale) -> Cost:
    """Of all rows together."""
    count, epochs, hours = 0, 0, 0.0
    seen = set()
    for row in rows:
        plan = planned(row, Path(), Wish(vae="none" if row.vae is None else None))
        teacher = row.teacher.student if row.teacher else row.student.teacher
        for job in plan.jobs:
            if job.out in seen:
                continue
            seen.add(job.out)
            count, epochs = count + 1, max(epochs, job.config.epochs)
            hours += taken(job.config, row.student.student, teacher, scale) / 3600
    return Cost(count, epochs, hours)


def longest(hunt: Hunt, scale: Scale) -> float:
    """Hours that a search takes where none of its trials is pruned."""
    taught, student = hunt.teacher.student, hunt.student
    once = taken(student.model_copy(update={"teacher": taught}), student.student, taught, scale)
    students = hunt.trials + (hunt.finalists + 1) * hunt.seeds
    return (taken(hunt.teacher, taught, None, scale) + students * once) / 3600


def taken(config: Config, student: str, teacher: str | None, scale: Scale) -> float:
    """Seconds of one training; an autoencoder counts as nothing, for its arithmetic is not counted."""
    if config.method == "autoencoder" or config.student.startswith("vdvae"):
        return 0.0
    own = size(student if "/" in config.student else config.student, config)  # a path: what another line left
    more = EXTRA.get(config.method, (0, 0))
    theirs = size(teacher, config) if config.teacher and teacher else 0.0
    images = IMAGES[config.data] * (1 - config.val) * config.epochs
    work = images * (own * (3 + more[0]) + theirs * (1 + more[1])) / (GPU if scale == "full" else CPU)
    return max(work, images / config.batch_size * STEP * (1 + sum(more) / 4))


@cache
def _macs(name: str, data: str, size: int | None) -> float:
    if (known := KNOWN.get(name.partition("@")[0])) is not None:
        return known
    channels, side = SHAPES[data]
    shape = (1, 1, 40) if data == "mnist1d" else (channels, size or side, size or side)
    return float(macs(nets.load(name.partition("@")[0], classes=CLASSES.get(data, 10), shape=shape), shape))


def size(name: str, config: Config) -> float:
    """A network's multiply-adds for one image of a run."""
    return _macs(name, config.data, config.size)
