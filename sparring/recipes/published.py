"""Published tables and figures by name: the runs that each takes, and what the paper says comes of them."""

from __future__ import annotations

from sparring.errors import UserError, did_you_mean
from sparring.recipes import (
    adversarial_tables,
    da_tables,
    disk_imagenet,
    disk_models,
    disk_tables,
    hard_imagenet,
    hard_literature,
    hard_tables,
)
from sparring.recipes.disk_toys import toys
from sparring.recipes.rows import Recipe
from sparring.recipes.toy import toy

ADVERSARIAL = "KD in an adversarial context"
DA = "Disagreement Augmentation"
DISK = "DiSK"
HARD = "HARD"
RECIPES: dict[str, Recipe] = {
    "adversarial-table1": Recipe(
        "MNIST, perceptrons, student alone / KD, five seeds",
        adversarial_tables.table1,
        paper=ADVERSARIAL,
        shows="Table 1",
        claim="KD lifts a small perceptron by 0.67 points, most of the way to its teacher",
    ),
    "adversarial-table2": Recipe(
        "MNIST, each digit omitted in turn, student alone / KD, five seeds",
        adversarial_tables.table2,
        paper=ADVERSARIAL,
        shows="Table 2",
        claim="by KD a student recognises 92.7 to 98.5 % of a digit that it never saw",
    ),
    "adversarial-table3": Recipe(
        "CIFAR-10, Re-KD, De-KD and teacher-free KD, three seeds (with Table 4)",
        adversarial_tables.table3,
        paper=ADVERSARIAL,
        shows="Table 3",
        claim="a small teacher lifts a large student by 0.17 points",
    ),
    "adversarial-table4": Recipe(
        "CIFAR-10, teacher-free KD, three seeds (a row of Table 3's)",
        adversarial_tables.table4,
        place="adversarial-table3",
        paper=ADVERSARIAL,
        shows="Table 4",
        claim="KD without a teacher lifts a student by 0.41 to 0.44 points",
    ),
    "adversarial-table5": Recipe(
        "PGD-7 training alone and taught, ARD, RSLAD, DA + PGD, by AutoAttack",
        adversarial_tables.table5,
        paper=ADVERSARIAL,
        shows="Table 5",
        claim="taught adversarial training withstands AutoAttack better, by 0.7 to 1.8 points",
    ),
    "adversarial-fig1": Recipe(
        "gradients by layer, alone and under teacher-free KD (Table 3's runs)",
        adversarial_tables.figure1,
        place="adversarial-table3",
        paper=ADVERSARIAL,
        shows="Fig. 1",
        claim="teacher-free KD changes how large gradients are, layer by layer",
    ),
    "da-table1": Recipe(
        "CIFAR-100, three pairs × (KD, DA), five seeds",
        da_tables.table1,
        paper=DA,
        shows="Table I",
        claim="DA beats KD by 0.4 to 2.0 points",
    ),
    "da-fig3": Recipe(
        "accuracy of teacher and students on images that DA moves, by its steps (Table I's runs)",
        da_tables.figures,
        place="da-table1",
        paper=DA,
        shows="Fig. 3",
        claim="a student that DA trained holds out longer against DA's own steps",
    ),
    "da-fig4": Recipe(
        "images on their way to disagreement, with both networks' answers (Table I's runs)",
        da_tables.figures,
        place="da-table1",
        paper=DA,
        shows="Fig. 4",
        claim="steps that nobody would see make teacher and student disagree",
    ),
    "da-fig2": Recipe(
        "Bayesian search over e, α and p with Hyperband, up to 200 runs",
        hunt=da_tables.figure2,
        paper=DA,
        shows="Fig. 2",
        claim="one small step on three batches of four is best (e=1, α=0.018, p=0.74)",
    ),
    "disk-table1": Recipe(
        "toys, how many of 100 initialisations end in each minimum, CE / KD / DiSK (with Figs. 1 and 2)",
        draw=toys,
        paper=DISK,
        shows="Table 1",
        claim="DiSK ends in the best minimum 90 and 97 times of 100, KD 3 and 57",
    ),
    "disk-fig1": Recipe(
        "the toy of intervals, drawn (Table 1's page)",
        draw=toys,
        place="disk-table1",
        paper=DISK,
        shows="Fig. 1",
        claim="the guide censors the interval that a small student cannot also have",
    ),
    "disk-fig2": Recipe(
        "the toy of clusters, drawn (Table 1's page)",
        draw=toys,
        place="disk-table1",
        paper=DISK,
        shows="Fig. 2",
        claim="DiSK's students of two dimensions separate all clusters",
    ),
    "disk-table2": Recipe(
        "parameters and multiply-adds of the networks on CIFAR-100 and Tiny-ImageNet, counted",
        draw=disk_models.table2,
        paper=DISK,
        shows="Table 2",
        claim="students have 4 to 1,640 times fewer parameters than their teachers",
    ),
    "disk-table3": Recipe(
        "large gaps in capacity, CIFAR-100 and Tiny-ImageNet, teachers × students, three seeds (with Table 5)",
        disk_tables.table3,
        paper=DISK,
        shows="Table 3",
        claim="where the gap is large DiSK beats KD by 0.6 to 4.9 points",
    ),
    "disk-table5": Recipe(
        "Table 3's networks trained alone, three seeds (its runs)",
        disk_tables.table5,
        place="disk-table3",
        paper=DISK,
        shows="Table 5",
        claim="what teachers and students reach on the labels alone",
    ),
    "disk-table4": Recipe(
        "small gaps, with feature methods and newer logit losses, CIFAR-100, three seeds (with Tables 6 and 8)",
        disk_tables.table4,
        paper=DISK,
        shows="Table 4",
        claim="where the gap is small DiSK beats KD by 0.7 to 2.5 points",
    ),
    "disk-table6": Recipe(
        "parameters and multiply-adds of Table 4's networks, counted (their accuracies alone: Table 4's ce)",
        draw=disk_models.table6,
        paper=DISK,
        shows="Table 6",
        claim="students take 1.8 to 49 times fewer multiply-adds than their teachers",
    ),
    "disk-table8": Recipe(
        "SimKD with and without DiSK, CIFAR-100, three seeds (Table 4's runs)",
        disk_tables.table8,
        place="disk-table4",
        paper=DISK,
        shows="Table 8",
        claim="DiSK adds 0.4 to 0.7 points to SimKD",
    ),
    "disk-table7": Recipe(
        "ImageNet (--data FOLDER), ResNet50 → ResNet18",
        disk_imagenet.table7,
        needs=disk_imagenet.NEEDS,
        scales=("smoke", "full"),
        paper=DISK,
        shows="Table 7",
        claim="on ImageNet DiSK is 0.2 points above KD, and 0.2 below SimKD",
    ),
    "hard-fig2": Recipe(
        "the toy, four ways to learn cos(x) from two clusters, ten seeds",
        draw=toy,
        paper=HARD,
        shows="Fig. 2",
        claim="learned inputs leave the least error where there are no data: KD > Mixup > Gaussian > HARD",
    ),
    "hard-fig3": Recipe(
        "what HARD's augmentors make of images (Table 2's first pair)",
        hard_tables.figure3,
        paper=HARD,
        shows="Fig. 3",
        claim="augmentors learn to keep the object and to change the rest",
    ),
    "hard-table1": Recipe(
        "MNIST and its MNIST-C shift, two pairs, controls and learned augmentors, four seeds",
        hard_tables.table1,
        paper=HARD,
        shows="Table 1",
        claim="HARD-Affine lifts KD on shifted digits by 28.6 and 39.4 points",
    ),
    "hard-table2": Recipe(
        "CIFAR-10, three pairs, controls and learned augmentors, three seeds",
        hard_tables.table2,
        paper=HARD,
        shows="Table 2",
        claim="HARD-Affine beats KD by 9 to 20 points, and KD with standard augmentation by up to 7",
    ),
    "hard-table3": Recipe(
        "ImageNet (--data FOLDER), ResNet18 and ViT-S/14, one seed",
        hard_imagenet.table3,
        needs=hard_imagenet.NEEDS,
        scales=("smoke", "full"),
        paper=HARD,
        shows="Table 3",
        claim="on ImageNet the best augmentor adds 0.5 to 0.9 points to KD",
    ),
    "hard-table4": Recipe(
        "Table 3's students on ImageNet's variants (--elsewhere FOLDER)",
        hard_imagenet.table4,
        needs=hard_imagenet.NEEDS,
        scales=("smoke", "full"),
        place="hard-table3",
        paper=HARD,
        shows="Table 4",
        claim="out of domain KD helps most; augmentors add little, and HARD-Affine costs",
    ),
    "hard-table5": Recipe(
        "distilled models of the literature on ImageNet and its variants, as printed; not run here",
        draw=hard_literature.table5,
        paper=HARD,
        shows="Table 5",
        claim="distilled models keep little of what their teachers withstand",
    ),
    "mnist1d": Recipe(
        "HARD-Affine and its controls on MNIST-1D, ten seeds",
        hard_tables.line,
        paper="ours",
        shows="nothing published",
        claim="what HARD-Affine gains where shifts matter, beside fixed maps",
    ),
}


def find(name: str) -> Recipe:
    """The recipe of that name. Raises UserError where there is none."""
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}. {did_you_mean(name, RECIPES)}")
    return RECIPES[name]
