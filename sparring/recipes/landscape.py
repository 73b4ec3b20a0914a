"""The losses around a finished run's student, drawn: on the plane of its way from its start where it had one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparring import data as datasets
from sparring.core import Batch, Network, Output, UserError
from sparring.core.network import computing
from sparring.core.seeds import chance_restored, seed_for
from sparring.engine import Compute
from sparring.evaluate.landscape import Plane, Score, Weights, losses, plane_from, random_plane, surface, weights_of
from sparring.files import read_json
from sparring.nets import weights
from sparring.parts import divergences
from sparring.parts.part import Targets
from sparring.parts.teachers import Teacher
from sparring.recipes.build import bout, network
from sparring.recipes.config import Config
from sparring.recipes.examine import kept_by, reopened
from sparring.recipes.keeper import BEST
from sparring.recipes.keepsakes import KEEPSAKES, keeps, write_pictures
from sparring.recipes.run import say
from sparring.report import landscape as drawing
from sparring.report import runs

IMAGES, POINTS = 512, 11
MOST_POINTS = 101
SPAN = 1.0  # how far the grid reaches from its middle, in units of the directions
BEFORE = 0.4  # how far its middle lies before the end, where the start is to be seen too
ACROSS = ("start → end, 1 = the way between", "a random direction, its filters as long as the student's")
RANDOM = (ACROSS[1], "another such direction")


@chance_restored()
def landscape(
    run: Path, *, out: Path | None = None, points: int = POINTS, images: int = IMAGES, device: str | None = None
) -> list[Path]:
    """Draw CE, KD and, where a guide censors, the guided loss around the student of the finished run `run`.

    out: the PNG to write, by default landscape.png in the run; its arrays lie beside it, as .npz. points: of the grid,
    in each direction; images: how many of the training part, as they are; device: where, in place of the run's own.
    Returns the picture's path, alone. Raises UserError where there is nothing to draw.
    """
    if not 3 <= points <= MOST_POINTS:
        raise UserError(f"--points {points}: give 3 to {MOST_POINTS}")
    if images < 1:
        raise UserError(f"--images {images}: give 1 or more")
    config, data, student, teacher = reopened(run, device)
    plane, marked, told = framed(run, config, data, student)
    targets, scores = scored(run, config, data, student, teacher)
    shown = asked(targets, data.train, images, config.workers, student.mean.device)
    middle = -BEFORE if "start" in marked else 0.0
    x, y = (np.linspace(about - SPAN, about + SPAN, points) for about in (middle, 0.0))
    found = surface(student, plane, x.tolist(), y.tolist(), shown, scores)
    there = {name: plane.coordinates(own) for name, own in marked.items()}
    lost = {name: losses(student, own, shown, scores) for name, own in marked.items()}
    arrays = {
        "x": x,
        "y": y,
        "axes": np.array(told),
        "losses": np.array(list(found)),
        "surfaces": np.stack(list(found.values())),
        "points": np.array(list(there)),
        "at": np.array([where[:2] for where in there.values()]),
        "off": np.array([where[2] for where in there.values()]),
        "lost": np.array([[lost[name][loss] for loss in found] for name in there]),
        "images": np.array(sum(len(batch) for batch, _ in shown)),
    }
    place = out or run / drawing.FILE
    write_pictures(arrays, place.with_suffix(".npz"))
    (about,) = runs([run])
    drawing.picture(arrays, about, place)
    return [place]


def framed(
    run: Path, config: Config, data: datasets.Data, student: Network
) -> tuple[Plane, dict[str, Weights], tuple[str, str]]:
    """The plane for a run, the weights that are marked on it by name, and what its axes are."""
    seed = seed_for("landscape", config.seed) >> 1
    end, best = {"end": weights_of(student)}, best_of(run, student)
    if (start := start_of(run, config, data)) is not None:
        try:
            Compute(student.mean.device).place_module(start)
            return plane_from(student, start, seed), {"start": weights_of(start)} | end | best, ACROSS
        except UserError as error:
            say(f"without the start: {error}")
    return random_plane(student, seed), end | best, RANDOM


def start_of(run: Path, config: Config, data: datasets.Data) -> Network | None:
    """The trained network that a run's student started from, or None where it began at random or is not there."""
    spec = read_json(run / "result.json").get("start")
    if spec is None:
        return None
    try:
        return network("start", spec, None, config.normalise, data)
    except UserError as error:
        say(f"without the start: {error}")
        return None


def best_of(run: Path, student: Network) -> dict[str, dict[str, Tensor]]:
    """The weights that were best on validation, where a run kept others than its last, by name."""
    file = run / "checkpoints" / BEST
    if not file.exists():
        return {}
    last = {name: value.clone() for name, value in student.state_dict().items()}
    try:
        weights.put(student.body, weights.read(file)[0], file)
        found = weights_of(student)
    except UserError as error:
        say(f"without the best on validation: {error}")
        return {}
    finally:
        student.load_state_dict(last)
    return {} if all(torch.equal(value, last[name]) for name, value in found.items()) else {"best": found}


def asked(
    targets: Targets, part: datasets.Images, count: int, workers: int, device: torch.device
) -> list[tuple[Batch, Output | None]]:
    """Images spread over a part, as they are, in batches, and what targets give there: asked once."""
    rows = np.unique(np.linspace(0, len(part) - 1, min(count, len(part))).round().astype(np.int64))
    some = datasets.batches(part.take(rows).to(device), batch_size=256, device=device, workers=workers)
    with torch.no_grad(), computing(device.type, bf16=False):
        return [(batch, targets(batch.x, batch)) for batch in some]


def scored(
    run: Path, config: Config, data: datasets.Data, student: Network, teacher: Network | None
) -> tuple[Targets, dict[str, Score]]:
    """Who is asked for targets, and the losses that are drawn of a run: CE; with a teacher KD; where its objective
    censors, that objective as it was at the run's end."""
    found: dict[str, Score] = {"CE": lambda output, target, batch: F.cross_entropy(output.logits, batch.labels)}
    if teacher is None:
        return nobody, found
    found["KD: 0.1 CE + 0.9 T² H, T = 4"] = kd
    kept, method = kept_by(run), bout(config, student, teacher, data)
    if not keeps(kept, "objective"):
        if method.objective.keepsakes():
            say(f"without the run's own loss: {run} holds no {KEEPSAKES} to make it from")
        return Teacher(teacher), found
    Compute(student.mean.device).place_module(method)
    method.recall(kept)
    method.eval()
    objective = method.objective
    if objective.companion is None and not objective.student_taps:
        found[f"{config.method}: its guided loss"] = lambda o, t, b: objective(o, t, b).total()
    else:
        say("without the run's own loss: it compares features too, which a landscape does not")
    return method.targets, found


def nobody(x: Tensor, batch: Batch) -> None:
    """Targets of a student that learned from labels alone."""


def kd(output: Output, target: Output | None, batch: Batch) -> Tensor:
    """KD as DiSK's paper has it (`kd-disk`): α CE + (1 − α) T² times the cross-entropy to the softened answer ()."""
    assert target is not None
    hinton = divergences.kd(output.logits, target.logits, 4.0, reduction="cross-entropy")
    return 0.1 * F.cross_entropy(output.logits, batch.labels) + 0.9 * hinton
