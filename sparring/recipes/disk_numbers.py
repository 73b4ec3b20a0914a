"""What "Distilling Selective/Scaffolded Knowledge" (DiSK; Kag et al., ICLR 2023 submission) prints, by table and pair.

Lines are named as the variants that are run for them. Numbers are accuracies in %, of three runs, without a spread
("a variance of at most 0.1 in most cases"). Restored where the print is damaged: the teachers of Table 4 (from Table 6
and the prose), the gain of SimKD with DiSK on WRN-40-1, ResNet34 on CIFAR-100 (Table 5 prints 62.48). WRN-16-2
alone is Table 4's 74.26; Table 6 prints 74.29.
"""

from __future__ import annotations

from collections.abc import Mapping

from sparring.recipes.rows import TEACHER, Claim

PAPER, PROTOCOL = "DiSK", "not told (its code: best epoch on the test set)"
TEACHERS: Mapping[str, tuple[float, float]] = {  # Tables 2 and 5: CIFAR-100, Tiny-ImageNet, trained alone
    "resnet10-l": (71.99, 52.14),
    "resnet10": (75.25, 56.04),
    "resnet18": (76.56, 62.48),
    "resnet34": (80.46, 63.06),
}
ALONE: Mapping[str, tuple[float, float]] = {
    "resnet10-xxs": (32.05, 17.44),
    "resnet10-xs": (42.99, 25.89),
    "resnet10-s": (52.16, 34.65),
    "resnet10-m": (65.24, 44.74),
}
LARGE_GAP: Mapping[tuple[str, str], tuple[float, float, float, float]] = {  # Table 3: KD, DiSK on each of the two
    ("resnet10-l", "resnet10-xxs"): (32.64, 37.56, 17.59, 18.62),
    ("resnet10-l", "resnet10-s"): (54.92, 58.14, 35.77, 37.43),
    ("resnet10-l", "resnet10-m"): (66.96, 70.03, 46.01, 48.03),
    ("resnet10", "resnet10-xxs"): (34.25, 37.84, 17.96, 18.55),
    ("resnet10", "resnet10-s"): (54.95, 58.36, 36.11, 37.37),
    ("resnet10", "resnet10-m"): (67.27, 70.15, 46.08, 48.19),
    ("resnet18", "resnet10-xxs"): (34.16, 37.8, 17.47, 18.53),
    ("resnet18", "resnet10-s"): (55.76, 58.11, 35.59, 37.5),
    ("resnet18", "resnet10-m"): (68.09, 69.86, 45.91, 47.7),
    ("resnet34", "resnet10-xxs"): (33.93, 37.78, 17.67, 18.91),
    ("resnet34", "resnet10-s"): (54.19, 58.02, 35.43, 37.68),
    ("resnet34", "resnet10-m"): (66.78, 69.89, 45.89, 47.6),
}
SMALL_GAP: Mapping[tuple[str, str], Mapping[str, float]] = {  # Tables 4, 6 and 8, CIFAR-100
    ("resnet32x4", "resnet8x4"): {
        TEACHER: 81.45, "ce": 73.89, "kd": 76.25, "disk": 76.92, "fitnets": 74.32, "semckd": 76.23, "simkd": 78.08,
    },
    ("resnet32x4", "shufflenetv2"): {
        TEACHER: 81.45, "ce": 73.74, "kd": 79.13, "disk": 80.23, "fitnets": 75.82, "semckd": 77.62, "simkd": 78.39,
    },
    ("resnet32x4", "wrn-16-2-post"): {
        TEACHER: 81.45, "ce": 74.26, "kd": 76.28, "disk": 77.67, "fitnets": 74.70, "semckd": 75.65, "simkd": 77.17,
    },
    ("resnet32x4", "mobilenetv2x2"): {
        TEACHER: 81.45, "ce": 69.24, "kd": 76.05, "disk": 77.24, "fitnets": 73.09, "semckd": 73.98, "simkd": 75.43,
    },
    ("wrn-40-2-post", "resnet8x4"): {
        TEACHER: 78.41, "ce": 73.89, "kd": 75.15, "disk": 76.05, "fitnets": 75.02, "semckd": 75.85, "simkd": 76.75,
        "simkd-disk": 77.13,
    },
    ("wrn-40-2-post", "shufflenetv2"): {TEACHER: 78.41, "ce": 73.74, "kd": 75.81, "disk": 78.33},
    ("wrn-40-2-post", "wrn-40-1-post"): {
        TEACHER: 78.41, "ce": 72.81, "kd": 74.44, "disk": 75.92, "fitnets": 74.17, "semckd": 74.4, "simkd": 75.56,
        "simkd-disk": 76.21,
    },
    ("wrn-40-2-post", "mobilenetv2x2"): {TEACHER: 78.41, "ce": 69.24, "kd": 73.92, "disk": 76.32},
}  # fmt: skip
BORROWED = frozenset({"fitnets", "semckd", "simkd"})  # quoted there from SimKD's paper: crop and flip, another teacher
IMAGENET: Mapping[str, float] = {"ce": 70.58, "kd": 71.29, "semckd": 71.41, "simkd": 71.66, "disk": 71.5}  # Table 7


def large_gap(teacher: str, student: str, *, tiny: bool) -> dict[str, dict[str, Claim]]:
    """Tables 3 and 5: what was printed for a pair, by line; DiSK's number is its code's too."""
    at = int(tiny)
    kd, disk = LARGE_GAP.get((teacher, student), (None,) * 4)[2 * at : 2 * at + 2]
    told = {TEACHER: TEACHERS[teacher][at], "ce": ALONE[student][at], "kd": kd, "disk": disk}
    return of_both({line: claimed("Tables 3 and 5", number) for line, number in told.items() if number is not None})


def small_gap(pair: tuple[str, str]) -> dict[str, dict[str, Claim]]:
    """Tables 4, 6 and 8: what was printed for a pair, by line; DiSK's number is its code's too."""
    return of_both(
        {
            line: claimed("Tables 4, 6 and 8", number, borrowed=line in BORROWED)
            for line, number in SMALL_GAP[pair].items()
        }
    )


def of_both(claims: dict[str, dict[str, Claim]]) -> dict[str, dict[str, Claim]]:
    """Claims with what was printed for DiSK beside the paper's reading and the code's, from which the print came."""
    return claims | ({"disk-release": claims["disk"]} if "disk" in claims else {})


def imagenet() -> dict[str, dict[str, Claim]]:
    """Table 7."""
    return {line: claimed("Table 7", number, borrowed=line in BORROWED) for line, number in IMAGENET.items()}


def claimed(table: str, number: float, *, borrowed: bool = False) -> dict[str, Claim]:
    """A printed number as a claim; of a borrowed one its protocol is another paper's."""
    protocol = "crop and flip, best epoch on the test set (SimKD's paper)" if borrowed else PROTOCOL
    return {"best": Claim(f"{PAPER}, {table}", number, None, None, protocol)}
