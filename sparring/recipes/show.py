"""What a run's parts offer to be looked at, drawn: what its perturbation makes of images, what its guide censors."""

from __future__ import annotations

from pathlib import Path

from sparring.core import UserError
from sparring.core.seeds import chance_restored
from sparring.engine import Compute
from sparring.recipes.build import bout
from sparring.recipes.examine import kept_by, part_of, reopened
from sparring.recipes.keepsakes import AUGMENTOR, GUIDE, IMAGES, KEEPSAKES, drawn, write_pictures
from sparring.recipes.run import say
from sparring.report import augmented, guided, runs

MOST = 64  # columns that a picture can have and still be looked at
DRAW = {AUGMENTOR: augmented.picture, GUIDE: guided.picture}


def show(
    run: Path, *, out: Path | None = None, images: int = IMAGES, part: str = "test", device: str | None = None
) -> list[Path]:
    """Draw what the perturbation of a finished run makes of images and what its guide censors, or do so for each run
    below a folder that kept an augmentor or a guide.

    out: the PNG to write, by default augmentor.png or guide.png in the run; its arrays lie beside it, as .npz. images:
    how many; part: "test" or "validation"; device: where, in place of the run's own. Returns the pictures' paths.
    Raises UserError where there is nothing to draw.
    """
    if not 1 <= images <= MOST:
        raise UserError(f"--images {images}: give 1 to {MOST}")
    if (run / "config.yaml").exists() or not run.is_dir():
        return show_one(run, out, images, part, device)
    kept = [found.path for found in runs(run) if (found.path / KEEPSAKES).exists()]
    if not kept:
        raise UserError(
            f"no run below {run} has learned an augmentor or a guide (none holds {KEEPSAKES}); "
            "name one run to see what its perturbation makes of images"
        )
    if out and len(kept) > 1:
        raise UserError(f"--out names one picture, and below {run} {len(kept)} runs are to be drawn; leave it out")
    places: list[Path] = []
    for each in kept:
        try:
            places += show_one(each, out, images, part, device)
        except UserError as error:
            if len(kept) == 1:
                raise
            say(f"{each} is left out: {error}")
    if not places:
        raise UserError(f"none of the {len(kept)} runs below {run} could be drawn")
    return places


@chance_restored()
def show_one(run: Path, out: Path | None, images: int, part: str, device: str | None) -> list[Path]:
    """Draw all that the parts of the finished run `run` offer; see `show`."""
    config, data, student, teacher = reopened(run, device)
    method, kept = bout(config, student, teacher, data), kept_by(run)
    Compute(student.mean.device).place_module(method)
    if method.keepsakes() and not kept:
        raise UserError(f"{run} holds no {KEEPSAKES}: it was trained before runs kept one; train it again")
    method.recall(kept)
    found = drawn(config, data, method, part_of(data, part), kept, images)
    if not found:
        raise UserError(
            f"{run} was trained on its images as they are (perturb=clean), and no guide censored any, "
            "so there is nothing to show"
        )
    if out and len(found) > 1:
        raise UserError(f"--out names one picture, and {run} has {' and '.join(found)}; leave it out")
    (told,) = runs([run])
    places = []
    for name, arrays in found.items():
        place = out or (run / name).with_suffix(".png")
        write_pictures(arrays, place.with_suffix(".npz"))
        DRAW[name](arrays, told, place)
        places.append(place)
    return places
