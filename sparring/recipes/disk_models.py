"""DiSK's Tables 2 and 6: how large its networks are, as printed, and as ours of the same names are counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparring import nets
from sparring.errors import UserError
from sparring.evaluate import macs, parameters
from sparring.recipes.rows import Scale
from sparring.report import sheet
from sparring.report.table import Cell, Table, filled
from sparring.report.units import amount

PIXELS = {"CIFAR-100": 32, "Tiny-ImageNet": 64}
CLASSES = {"CIFAR-100": 100, "Tiny-ImageNet": 200}
Sizes = Mapping[str, Mapping[str, tuple[float, float]]]
# network → data → (millions of multiply-adds, thousands of parameters). Restored where the print is damaged: 4.92 M
# parameters ("492M"), 5 M ("M"), 2 M and 4 M multiply-adds on CIFAR-100, 8 M on Tiny-ImageNet ("SM").
NEAR = 5  # %
TABLE_2: Sizes = {
    "resnet10-l": {"CIFAR-100": (64, 1250), "Tiny-ImageNet": (255, 1280)},
    "resnet10": {"CIFAR-100": (253, 4920), "Tiny-ImageNet": (1013, 5000)},
    "resnet18": {"CIFAR-100": (555, 11220), "Tiny-ImageNet": (2221, 11270)},
    "resnet34": {"CIFAR-100": (1159, 21320), "Tiny-ImageNet": (4637, 21380)},
    "resnet10-xxs": {"CIFAR-100": (2, 13), "Tiny-ImageNet": (8, 15)},
    "resnet10-xs": {"CIFAR-100": (3, 28), "Tiny-ImageNet": (12, 31)},
    "resnet10-s": {"CIFAR-100": (4, 84), "Tiny-ImageNet": (16, 90)},
    "resnet10-m": {"CIFAR-100": (16, 320), "Tiny-ImageNet": (64, 333)},
}
TABLE_6: Sizes = {
    "resnet32x4": {"CIFAR-100": (1083, 7400)},
    "wrn-40-2-post": {"CIFAR-100": (327, 2250)},
    "resnet8x4": {"CIFAR-100": (177, 1200)},
    "shufflenetv2": {"CIFAR-100": (44.5, 1400)},
    "wrn-16-2-post": {"CIFAR-100": (101, 700)},
    "wrn-40-1-post": {"CIFAR-100": (83, 570)},
    "mobilenetv2x2": {"CIFAR-100": (22, 2400)},
}
NOTE = (
    "Counted, not trained, so every scale is the same. Multiply-adds (MACs) are of one image, in convolutions and "
    f"matrix products. Printed numbers are rounded, so ours match where they are within {NEAR} %."
)


def table2(out: Path, scale: Scale, seeds: int | None = None) -> Path:
    """Fill the folder `out` with Table 2: sizes on CIFAR-100 and Tiny-ImageNet. Raises UserError for seeds."""
    return counted(out, "DiSK, Table 2", TABLE_2, seeds)


def table6(out: Path, scale: Scale, seeds: int | None = None) -> Path:
    """Fill the folder `out` with Table 6: sizes on CIFAR-100. Raises UserError for seeds."""
    return counted(out, "DiSK, Table 6: the sizes", TABLE_6, seeds)


def counted(out: Path, title: str, sizes: Sizes, seeds: int | None) -> Path:
    """Count networks and set them beside what is printed."""
    if seeds is not None:
        raise UserError(f"{title} counts networks and trains none: leave --seeds out")
    return sheet.both(title, [sheet.Sheet(title, beside(sizes), NOTE)], out)


def beside(sizes: Sizes) -> Table:
    """Each network's multiply-adds and parameters, printed and ours, and by how much ours are more."""
    heads = ("network", "data", "MACs: published", "MACs: ours", "parameters: published", "parameters: ours")
    heads += ("status",)
    columns: dict[str, list[Cell]] = {head: [] for head in heads}
    for name, printed in sizes.items():
        for data, (millions, thousands) in printed.items():
            shape = (3, PIXELS[data], PIXELS[data])
            net = nets.load(name, classes=CLASSES[data], shape=shape)
            pairs = ((1e6 * millions, macs(net, shape)), (1e3 * thousands, parameters(net)))
            off = max(100 * abs(ours / told - 1) for told, ours in pairs)
            cells = [name, data, *(amount(number) for pair in pairs for number in pair)]
            cells += ["matches" if off <= NEAR else f"misses by {off:.0f} %"]
            for head, cell in zip(heads, cells, strict=True):
                columns[head].append(Cell(cell, cell))
    return filled(columns)
