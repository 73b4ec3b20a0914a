"""Published rows by name: for each, the runs that it takes, and what the paper says comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sparring.errors import UserError, did_you_mean
from sparring.recipes.config import Config, Optim

Scale = Literal["smoke", "cpu", "full"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A published number: test accuracy in %, mean ± sd over n runs, under a protocol ("best epoch on test")."""

    source: str
    mean: float
    sd: float
    n: int
    protocol: str

    def as_dict(self) -> dict[str, Any]:
        """As result.json keeps it."""
        published = {"mean": self.mean, "sd": self.sd, "n": self.n}
        return {"source": self.source, "published": published, "protocol": self.protocol}


@dataclass(frozen=True, slots=True)
class Row:
    """A table's row: a teacher to train, and a student to train from it, by each of some methods, over some seeds.

    teacher: its configuration; student: a configuration whose teacher is filled in when there is one; claims: what
    was published, by method; seeds: how many.
    """

    name: str
    teacher: Config
    student: Config
    claims: Mapping[str, Claim]
    seeds: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A table or figure: a line about it, and its rows at a scale."""

    about: str
    rows: Callable[[Scale], list[Row]]


# Disagreement Augmentation, Table I: CIFAR-100, best test accuracy of 240 epochs, mean ± sample sd over 5 runs.
DA_SOURCE, DA_PROTOCOL = "Disagreement Augmentation, Table I", "best epoch on the test set"
DA_TABLE_1 = {  # (teacher, student): (KD mean, sd), (DA mean, sd)
    ("resnet32x4", "resnet8x4"): ((73.66, 0.26), (74.59, 0.24)),
    ("vgg13", "vgg8"): ((73.33, 0.25), (73.76, 0.29)),
    ("resnet32x4", "shufflenetv2"): ((71.67, 0.34), (73.70, 0.19)),
}
CPU_PAIRS = {  # smaller pairs of the same families, and 16 × 16 pixels where those are still too slow for a CPU
    ("resnet32x4", "resnet8x4"): ("resnet20", "resnet8", None),
    ("vgg13", "vgg8"): ("vgg13", "vgg8", 16),
    ("resnet32x4", "shufflenetv2"): ("resnet20", "shufflenetv2", 16),
}


def da_table1(scale: Scale) -> list[Row]:
    """Its three pairs. full: the paper's schedule on all 50,000 images, best epoch on the test set beside the last.

    cpu: a declared reduction: smaller pairs, 14 epochs for teachers and 10 for students, a validation split, three
    seeds. smoke: one epoch on the digits, to see every line run. Teachers are trained by the same recipe.
    """
    rows = []
    for pair, ((kd, kd_sd), (da, da_sd)) in DA_TABLE_1.items():
        teacher, student, size = CPU_PAIRS[pair] if scale == "cpu" else (*pair, None)
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
                claims={
                    "kd": Claim(DA_SOURCE, kd, kd_sd, 5, DA_PROTOCOL),
                    "da": Claim(DA_SOURCE, da, da_sd, 5, DA_PROTOCOL),
                }
                if scale == "full"
                else {},
                seeds={"full": 5, "cpu": 3, "smoke": 1}[scale],
            )
        )
    return rows


RECIPES: dict[str, Recipe] = {
    "da-table1": Recipe("Disagreement Augmentation, Table I: CIFAR-100, three pairs × (KD, DA), five seeds", da_table1),
}


def names() -> Mapping[str, str]:
    """Every recipe and a line about it."""
    return {name: recipe.about for name, recipe in RECIPES.items()}


def find(name: str) -> Recipe:
    """The recipe of that name. Raises UserError where there is none."""
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}. {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
