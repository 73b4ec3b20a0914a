"""Originals beside what a run's perturbation makes of them, drawn."""

from __future__ import annotations

from pathlib import Path

from sparring.core import UserError
from sparring.engine import Compute
from sparring.nets import weights
from sparring.recipes.build import bout
from sparring.recipes.examine import part_of, reopened
from sparring.recipes.keepsakes import IMAGES, KEEPSAKES, PICTURES, pictures, write_pictures
from sparring.report import augmented, runs

MOST = 64  # columns that a picture can have and still be looked at


def show(
    run: Path, *, out: Path | None = None, images: int = IMAGES, part: str = "test", device: str | None = None
) -> list[Path]:
    """Draw what the perturbation of a finished run, or of each run below a folder that kept one, makes of images.

    out: the PNG to write, by default augmentor.png in the run; its arrays lie beside it, as .npz. images: how many;
    part: "test" or "validation"; device: where, in place of the run's own. Returns the pictures' paths. Raises
    UserError where there is nothing to draw.
    """
    if not 1 <= images <= MOST:
        raise UserError(f"--images {images}: give 1 to {MOST}")
    if (run / "result.json").exists() or not run.is_dir():
        return [show_one(run, out, images, part, device)]
    kept = [found.path for found in runs(run) if (found.path / KEEPSAKES).exists()]
    if not kept:
        raise UserError(
            f"no run below {run} has learned an augmentor (none holds {KEEPSAKES}); "
            "name one run to see what its perturbation makes of images"
        )
    if out and len(kept) > 1:
        raise UserError(f"--out names one picture, and below {run} {len(kept)} runs are to be drawn; leave it out")
    return [show_one(each, out, images, part, device) for each in kept]


def show_one(run: Path, out: Path | None, images: int, part: str, device: str | None) -> Path:
    """Draw what the perturbation of the finished run `run` makes of images; see `show`."""
    config, data, student, teacher = reopened(run, device)
    if config.perturb["name"] == "clean":
        raise UserError(f"{run} was trained on its images as they are (perturb=clean), so there is nothing to show")
    method = bout(config, student, teacher, data)
    Compute(student.mean.device).place_module(method)
    kept = {}
    if method.keepsakes():
        if not (run / KEEPSAKES).exists():
            raise UserError(f"{run} holds no {KEEPSAKES}: it was trained before runs kept one; train it again")
        kept = weights.read(run / KEEPSAKES)[0]
    found = pictures(config, data, method, part_of(data, part), kept, images)
    place = out or (run / PICTURES).with_suffix(".png")
    write_pictures(found, place.with_suffix(".npz"))
    (told,) = runs([run])
    augmented.picture(found, told, place)
    return place
