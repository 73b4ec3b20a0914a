"""HARD's Table 5: distilled models of the literature, which its authors evaluated anew. Nothing of it is trained.

It cannot be run here: it needs ImageNet, seven of its variants and four networks' own weights (BiT ResNet152x2 at 480
pixels and its distilled ResNet50, DINOv2's giant and its ViT-S/14), none of which a package can bring along.
"""

from __future__ import annotations

from pathlib import Path

from sparring.errors import UserError
from sparring.recipes.rows import Scale
from sparring.report import sheet
from sparring.report.table import Cell, Table

METRICS = ("validation", "ReaL", "V2", "A", "R", "C (mCE, less is better)", "Sketch", "Style")
TABLE_5 = {  # top-1 accuracy, %, but of C
    "BiT ResNet152 (teacher)": (82.9, 87.8, 72.0, 31.9, 49.2, 51.0, 37.4, 16.9),
    "BiT ResNet50 (distilled)": (82.8, 87.5, 72.5, 25.1, 45.3, 51.8, 31.6, 15.1),
    "DINO (teacher)": (86.5, 89.7, 78.4, 76.1, 79.3, 27.3, 62.8, 34.6),
    "ViT-S/14 (distilled)": (81.2, 86.7, 71.2, 34.4, 55.1, 53.4, 42.2, 13.5),
}
LACKING = "ImageNet, seven of its variants, and the weights of BiT ResNet152x2 and ResNet50, DINOv2 giant and ViT-S/14"


def table5(out: Path, scale: Scale, seeds: int | None = None) -> Path:
    """Fill the folder `out` with Table 5 as it is printed, each line not run here. Raises UserError for seeds."""
    if seeds is not None:
        raise UserError("hard-table5 trains nothing: leave --seeds out")
    rows = [[name, *(f"{value:.1f}" for value in values), "not run here"] for name, values in TABLE_5.items()]
    head = ("published, %", *METRICS, "status")
    table = Table(head, tuple(tuple(Cell(text, text) for text in row) for row in rows))
    note = f"As printed: models of the literature, evaluated anew by HARD's authors. Not run here: it needs {LACKING}."
    return sheet.both("HARD, Table 5", [sheet.Sheet("HARD, Table 5", table, note)], out)
