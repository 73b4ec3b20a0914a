"""Published rows by name: for each, the runs that it takes, and what the paper says comes of them."""

from __future__ import annotations

from collections.abc import Mapping

from sparring.errors import UserError, did_you_mean
from sparring.recipes import adversarial_tables, da_tables, disk_imagenet, disk_tables, hard_imagenet, hard_tables
from sparring.recipes.disk_toys import toys
from sparring.recipes.rows import Recipe
from sparring.recipes.toy import toy

RECIPES: dict[str, Recipe] = {
    "adversarial-table1": Recipe(
        "KD in an adversarial context, Table 1: MNIST, perceptrons, student alone / KD, five seeds",
        adversarial_tables.table1,
    ),
    "adversarial-table2": Recipe(
        "KD in an adversarial context, Table 2: MNIST, each digit omitted in turn, student alone / KD, five seeds",
        adversarial_tables.table2,
    ),
    "adversarial-table3": Recipe(
        "KD in an adversarial context, Tables 3 and 4: CIFAR-10, Re-KD, De-KD and teacher-free KD, three seeds",
        adversarial_tables.table3,
    ),
    "adversarial-table5": Recipe(
        "KD in an adversarial context, Table 5: PGD-7 training alone and taught, ARD, RSLAD, DA + PGD, by AutoAttack",
        adversarial_tables.table5,
    ),
    "adversarial-fig1": Recipe(
        "KD in an adversarial context, Fig. 1: gradients by layer, alone and under teacher-free KD (Table 3's runs)",
        adversarial_tables.figure1,
        place="adversarial-table3",
    ),
    "da-table1": Recipe(
        "Disagreement Augmentation, Table I: CIFAR-100, three pairs × (KD, DA), five seeds", da_tables.table1
    ),
    "da-fig2": Recipe(
        "Disagreement Augmentation, Fig. 2: Bayesian search over e, α and p with Hyperband, up to 200 runs",
        hunt=da_tables.figure2,
    ),
    "disk-table1": Recipe(
        "DiSK, Table 1 and Figs. 1-2: toys, how many of 100 initialisations end in each minimum, CE / KD / DiSK",
        draw=toys,
    ),
    "disk-table3": Recipe(
        "DiSK, Tables 3 and 5: large gaps in capacity, CIFAR-100 and Tiny-ImageNet, teachers × students, three seeds",
        disk_tables.table3,
    ),
    "disk-table4": Recipe(
        "DiSK, Tables 4, 6 and 8: small gaps, with feature methods and newer logit losses, CIFAR-100, three seeds",
        disk_tables.table4,
    ),
    "disk-table7": Recipe(
        "DiSK, Table 7: ImageNet (--data FOLDER), ResNet50 → ResNet18",
        disk_imagenet.table7,
        needs=disk_imagenet.NEEDS,
        scales=("smoke", "full"),
    ),
    "hard-fig2": Recipe("HARD, Fig. 2: the toy, four ways to learn cos(x) from two clusters, ten seeds", draw=toy),
    "hard-table1": Recipe(
        "HARD, Table 1: MNIST and its MNIST-C shift, two pairs, controls and learned augmentors, four seeds",
        hard_tables.table1,
    ),
    "hard-table2": Recipe(
        "HARD, Table 2: CIFAR-10, three pairs, controls and learned augmentors, three seeds", hard_tables.table2
    ),
    "hard-table3": Recipe(
        "HARD, Table 3: ImageNet (--data FOLDER), ResNet18 and ViT-S/14, one seed",
        hard_imagenet.table3,
        needs=hard_imagenet.NEEDS,
        scales=("smoke", "full"),
    ),
    "hard-table4": Recipe(
        "HARD, Table 4: Table 3's students on ImageNet's variants (--elsewhere FOLDER)",
        hard_imagenet.table4,
        needs=hard_imagenet.NEEDS,
        scales=("smoke", "full"),
        place="hard-table3",
    ),
    "mnist1d": Recipe("HARD-Affine and its controls on MNIST-1D, ten seeds; ours, nothing published", hard_tables.line),
}


def names() -> Mapping[str, str]:
    """Every recipe and a line about it."""
    return {name: recipe.about for name, recipe in RECIPES.items()}


def find(name: str) -> Recipe:
    """The recipe of that name. Raises UserError where there is none."""
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}. {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
