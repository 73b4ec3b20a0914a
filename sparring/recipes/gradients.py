"""How large the student's gradients are in each of its layers, over one epoch: what a run writes to gradients.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparring.core import Clock, Network, UserError
from sparring.core.processes import mean
from sparring.files import write_json
from sparring.nets import origin_of
from sparring.parts.layers import Layer, layers, moving
from sparring.recipes.config import Config
from sparring.recipes.ready import Ready

FILE = "gradients.json"
BODY, ADDED = "body.", "added"


def refuse_late(config: Config) -> None:
    """Raise UserError where the epoch whose gradients are asked for never comes."""
    if config.gradients is not None and config.gradients > config.epochs:
        raise UserError(
            f"gradients={config.gradients} is an epoch that does not come, for the training has {config.epochs}: "
            f"give gradients=1 to {config.epochs}, or more --epochs"
        )


def asked_for(config: Config, student: Network, shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """The layers of the student whose gradients a configuration asks for; none where it asks for none."""
    if config.gradients is None:
        return ()
    if not (found := layers(student, shape)):
        raise UserError(
            f"gradients={config.gradients} asks for those of convolutions and linear layers, and {student.name} has "
            "none that trains: leave gradients out"
        )
    return found


class Gradients:
    """The observer that sums up, over one epoch (counted from 1), the mean absolute gradient of each layer's weight,
    the loss that was descended and the norm of the whole gradient, once a step.

    What it knows is the same in all processes: gradients have been averaged, and the loss is averaged here. All stays
    on the device until the epoch's means are told, so no step waits.
    """

    def __init__(self, epoch: int, student: Network, layers: Sequence[Layer]) -> None:
        self.epoch, self.layers = epoch, layers
        self.names = [undressed(student, layer) for layer in layers]
        weights = moving(student.body)
        self.weights = [weights[layer.path] for layer in layers]
        device = self.weights[0].device
        kind = torch.float32 if device.type == "mps" else torch.float64  # mps has no float64
        self.sums = torch.zeros(2 + len(layers), dtype=kind, device=device)
        self.steps = 0

    @torch.no_grad()
    def __call__(self, clock: Clock, loss: Tensor, parameters: Sequence[nn.Parameter]) -> None:
        if clock.epoch + 1 != self.epoch:
            return
        norms = [torch.linalg.vector_norm(each.grad) for each in parameters if each.grad is not None]
        found = [mean(loss).float(), torch.linalg.vector_norm(torch.stack(norms))]
        found += [loss.new_zeros(()) if w.grad is None else w.grad.abs().mean() for w in self.weights]  # None: unused
        self.sums += torch.stack(found)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return {"sums": self.sums, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from saved sums."""
        self.sums, self.steps = state["sums"].to(self.sums), state["steps"]

    def told(self) -> dict[str, Any]:
        """What gradients.json says: means over the epoch's steps, by layer, and by stage over all of its weights."""
        loss, norm, *means = (self.sums / self.steps).tolist()
        rows = [
            {"name": name, "stage": stage, "shape": layer.shape, "mean": found}
            for layer, (name, stage), found in zip(self.layers, self.names, means, strict=True)
        ]
        stages = {}
        for stage in dict.fromkeys(row["stage"] for row in rows):
            inside = [(prod(row["shape"]), row["mean"]) for row in rows if row["stage"] == stage]
            stages[stage] = sum(size * found for size, found in inside) / sum(size for size, _ in inside)
        told = {"epoch": self.epoch, "steps": self.steps, "loss": loss, "norm": norm}
        return told | {"layers": rows, "stages": stages}


def undressed(student: Network, layer: Layer) -> tuple[str, str]:
    """A layer's path and stage as they are in the network before a method dressed it, so that methods can be set side
    by side; the stage of what the method added is "added"."""
    if not origin_of(student).dress:
        return layer.path, layer.stage
    own = layer.path.startswith(BODY)
    return layer.path.removeprefix(BODY), layer.stage if own else ADDED


def observers(prepared: Ready) -> dict[str, Gradients]:
    """Who looks on as players descend: of the student alone, and where its gradients are asked for."""
    epoch, student = prepared.config.gradients, prepared.student
    if epoch is None or student is None:
        return {}
    return {"student": Gradients(epoch, student, prepared.layers)}


def written(watching: Mapping[str, Gradients], out: Path, *, warn: Callable[[str], None]) -> None:
    """Write what was seen of the student into the run directory `out`, once its training is over: the sums are part of
    every checkpoint until then, so that a run that was killed anywhere leaves the same file."""
    for seen in watching.values():
        if seen.steps:
            write_json(out / FILE, seen.told())
        else:
            warn(f"{out} has no {FILE}: training ended before epoch {seen.epoch}, whose gradients were asked for")
