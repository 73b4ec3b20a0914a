"""The command line's `show`: what a run's parts offer to be looked at, drawn; torch is imported only once it runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from sparring.arguments import Number


def show(
    run: Path,
    /,
    *,
    out: Path | None = None,
    landscape: bool = False,
    images: Annotated[int | None, Number] = None,
    part: Literal["test", "validation"] | None = None,
    points: Annotated[int | None, Number] = None,
    device: str | None = None,
) -> None:
    """Draw images beside what a run's perturbation makes of them, and how the phases of a learned augmentor went; of
    DiSK which images its guide censors. Or draw the losses around its student.

    Parameters
    ----------
    run
        A run directory, or a folder with runs below it, of which those with a learned augmentor or a guide are drawn.
    out
        The picture, a .png (by default augmentor.png, guide.png or landscape.png in the run); its arrays lie beside it,
        as .npz.
    landscape
        Instead, the losses on a plane through the student's weights.
    images
        How many (8; of a landscape 512).
    part
        Which images (test; a landscape is of training images).
    points
        Of a landscape's grid, in each direction (11).
    device
        Where, in place of the run's own.
    """
    from sparring import verbs

    for picture in verbs.show(
        run, out=out, landscape=landscape, images=images, part=part, points=points, device=device
    ):
        print(f"The picture: {picture}, its arrays: {picture.with_suffix('.npz')}")
    print(f"Next: sparring report {quote(str(run))}")
