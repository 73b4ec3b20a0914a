"""What "Hard Augmentations for Robust Distillation" (Nix, Burg & Sinz 2023) prints, by table, pair and line.

A line is named as the variant that is run for it; `TEACHER` is the teacher itself; "orbit" is quoted there from an
earlier paper and is not run. Numbers are (mean, standard error of the mean or None where none is printed), in %.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparring.recipes.rows import TEACHER, Claim

Number = tuple[float, float | None]
SHIFT = "translate/3"  # MNIST-C's translate at its default severity: 3 pixels in rows and in columns

TABLE_1: Mapping[str, Mapping[str, tuple[Number, Number]]] = {  # pair → line → (centred, shifted)
    "cnn-mlp": {
        TEACHER: ((99.0, 0.0), (91.3, 0.5)),
        "student-only": ((98.4, 0.0), (35.2, 0.7)),
        "random-affine": ((92.1, 0.6), (81.0, 2.0)),
        "shifts-literal": ((98.1, 0.1), (86.5, 0.3)),
        "shifts-uniform2": ((98.1, 0.1), (86.5, 0.3)),
        "orbit": ((98.8, None), (95.2, None)),
        "kd": ((98.6, 0.0), (40.3, 0.6)),
        "hard-affine": ((98.6, 0.1), (68.9, 2.5)),
    },
    "resnet18-vit": {
        TEACHER: ((99.5, 0.0), (92.8, 0.5)),
        "student-only": ((98.3, 0.0), (40.4, 0.8)),
        "random-affine": ((95.4, 0.3), (90.4, 1.0)),
        "shifts-literal": ((98.5, 0.0), (93.7, 0.2)),
        "shifts-uniform2": ((98.5, 0.0), (93.7, 0.2)),
        "orbit": ((98.4, None), (84.0, None)),
        "kd": ((98.6, 0.1), (44.7, 1.9)),
        "hard-affine": ((99.2, 0.0), (84.1, 2.3)),
    },
}
TABLE_2: Mapping[str, Mapping[str, Number]] = {
    "resnet18-vit": {
        TEACHER: (92.5, 0.0),
        "student-only": (68.5, 0.5),
        "standard-aug": (78.3, 0.4),
        "random-affine": (58.9, 0.4),
        "kd": (67.9, 0.1),
        "kd-standard-aug": (80.9, 0.1),
        "hard-affine": (87.8, 0.8),
        "hard-vae": (81.9, 0.4),
        "hard-vae-affine": (87.6, 0.6),
    },
    "resnet101-vit": {
        TEACHER: (95.5, None),
        "student-only": (68.5, 0.5),
        "standard-aug": (78.3, 0.4),
        "random-affine": (58.9, 0.4),
        "kd": (68.5, None),
        "kd-standard-aug": (79.3, None),
        "hard-affine": (84.4, None),
        "hard-vae": (81.2, None),
        "hard-vae-affine": (87.1, None),
    },
    "resnet101-resnet18": {
        TEACHER: (95.5, None),
        "student-only": (78.5, None),
        "standard-aug": (92.6, None),
        "random-affine": (79.3, None),
        "kd": (84.4, None),
        "kd-standard-aug": (93.3, None),
        "hard-affine": (93.5, None),
        "hard-vae": (91.0, None),
        "hard-vae-affine": (94.0, None),
    },
}
# Of ImageNet single numbers are printed: no spread, no count.
TABLE_3_METRICS = ("accuracy", "real", "v2")
TABLE_3: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "resnet18": {
        TEACHER: (75.8, 83.1, 63.7),
        "student-only": (70.7, 78.1, 57.4),
        "kd": (70.7, 78.7, 58.1),
        "hard-affine": (71.6, 79.5, 58.6),
        "hard-mix": (71.4, 79.4, 58.6),
        "hard-vae": (71.0, 78.9, 58.7),
    },
    "vit-s14": {
        TEACHER: (75.8, 83.1, 63.7),
        "student-only": (73.2, 79.4, 60.3),
        "kd": (75.3, 82.8, 62.9),
        "hard-affine": (74.9, 82.3, 62.4),
        "hard-mix": (75.7, 83.0, 63.3),
        "hard-vae": (75.8, 83.1, 63.5),
    },
}
TABLE_4_METRICS = ("a", "r", "mce", "sketch", "style")
TABLE_4: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "resnet18": {
        TEACHER: (3.8, 46.8, 53.0, 32.6, 21.2),
        "student-only": (1.6, 30.0, 88.1, 18.4, 4.4),
        "kd": (1.6, 40.2, 69.2, 26.0, 13.4),
        "hard-affine": (1.5, 38.2, 73.1, 24.9, 10.4),
        "hard-mix": (1.8, 39.9, 68.8, 26.1, 13.7),
        "hard-vae": (1.7, 39.5, 72.5, 25.8, 12.1),
    },
    "vit-s14": {
        TEACHER: (3.8, 46.8, 53.0, 32.6, 21.2),
        "student-only": (8.0, 26.3, 78.1, 13.8, 6.6),
        "kd": (3.3, 45.0, 56.8, 29.6, 18.7),
        "hard-affine": (3.4, 40.8, 62.2, 26.2, 14.5),
        "hard-mix": (3.5, 45.4, 56.2, 29.9, 19.2),
        "hard-vae": (3.4, 45.4, 57.4, 30.7, 18.1),
    },
}

CHOSEN = "the epoch that was best on validation"
ROUGH = f"{CHOSEN}; sd = SEM · √n of the printed SEM, which is rounded to 0.1"


def table1(pair: str) -> dict[str, dict[str, Claim]]:
    """Table 1's numbers of a pair by line and metric: 4 seeds, Orbit's single ones without a spread."""
    claims = {}
    for line, numbers in TABLE_1[pair].items():
        quoted = "HARD, Table 1" + (", quoted there from Orbit (2022)" if line == "orbit" else "")
        claims[line] = {
            metric: Claim.of_sem(quoted, mean, sem, 4, ROUGH)
            for metric, (mean, sem) in zip(("accuracy", SHIFT), numbers, strict=True)
        }
    return claims


def table2(pair: str) -> dict[str, dict[str, Claim]]:
    """Table 2's numbers of a pair by line: 3 seeds where a standard error is printed."""
    return {
        line: {"accuracy": Claim.of_sem("HARD, Table 2", mean, sem, 3, ROUGH)}
        for line, (mean, sem) in TABLE_2[pair].items()
    }


def imagenet(number: int, student: str) -> dict[str, dict[str, Claim]]:
    """Table 3's or 4's numbers of a student by line and metric."""
    metrics, table = {3: (TABLE_3_METRICS, TABLE_3), 4: (TABLE_4_METRICS, TABLE_4)}[number]
    return {
        line: {
            metric: Claim(f"HARD, Table {number}", value, None, None, CHOSEN)
            for metric, value in zip(metrics, values, strict=True)
        }
        for line, values in table[student].items()
    }
