"""A run whose student never saw some class: what adding a constant to that class's logit would make of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sparring import data as datasets
from sparring.engine import Compute
from sparring.errors import UserError
from sparring.evaluate import answers
from sparring.evaluate.bias import best_bias, biased
from sparring.files import write_json
from sparring.recipes.build import Given, find_data, precision
from sparring.recipes.examine import opened, part_of
from sparring.recipes.manifest import identity

FILE = "bias.json"


def debias(run: Path, *, device: str | None = None) -> dict[str, float]:
    """The bias that is best on the validation images of all classes, and the test accuracy (in [0, 1]) with and without
    it: of all images, of those "without" the omitted classes, and of these "only".

    A part without an image is left out. Written into the run's bias.json. Raises UserError where the run omitted
    nothing, or holds no images out.
    """
    config, data, student = opened(run, device)
    here = student.mean.device
    compute = Compute(here, *precision(config, Compute(here), student))
    if not data.omitted:
        raise UserError(f"{run} was trained on all classes; --bias is for students that one was kept from (--omit 3)")
    whole = find_data(config.model_copy(update={"omit": ()}), Given())

    def asked(part: datasets.Images) -> tuple[Tensor, Tensor]:
        batches = datasets.batches(part, batch_size=256, device=here, workers=config.workers)
        with compute.autocast():  # as the run scored it
            return answers(student, batches), part.y.cpu()

    if whole.validation is None:
        raise UserError(f"{run} held no images out (val=0), and --bias is chosen on such: train with val=0.1")
    bias = best_bias(*asked(whole.validation), data.omitted)
    logits, y = asked(part_of(whole, "test"))
    inside = torch.isin(y, torch.tensor(data.omitted))
    found = {"bias": bias}
    for name, shown in (("", logits), ("/biased", biased(logits, data.omitted, bias))):
        right = (shown.argmax(1) == y).double()
        rows = {"accuracy": right, "without": right[~inside], "only": right[inside]}
        found |= {f"{part}{name}": float(each.mean()) for part, each in rows.items() if len(each)}
    names = [data.class_names[k] for k in data.omitted]
    write_json(
        run / FILE, {"omitted": names, "chosen on": "validation images of all classes", **found} | identity(student)
    )
    return found
