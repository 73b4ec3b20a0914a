"""How teacher and students hold out as images are made on which they disagree (Figs. 3 and 4 of Goldfeder et al.).

From each clean test batch one Adam climbs the disagreement of a student with its teacher, both in eval mode; on the
way their answers are written down. The figure's step counts and learning rate are unpublished; these are our choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.evaluate.answers import resting
from sparring.files import atomic, write_json
from sparring.parts.ascend import adam, ascend
from sparring.parts.divergences import mse_disagreement
from sparring.parts.quiet import quietly

STEPS = (0, 1, 2, 5, 10, 20, 50)
ALPHA = 0.01778


@dataclass(frozen=True, slots=True)
class Row:
    """One point of the curve: both accuracies (in [0, 1]) after `steps` steps made against `student`, the mean over
    images of the L1-normalised squared difference, how far a pixel moved on average (in standard deviations), and n."""

    student: str
    steps: int
    teacher_accuracy: float
    student_accuracy: float
    mse: float
    moved: float
    n: int


@dataclass(frozen=True, slots=True)
class Examples:
    """Some images on their way: images (N, S, H, W, C) uint8, clipped for showing; steps (S,); labels (N,);
    the three highest classes of each, best first (N, S, 3); mse (N, S)."""

    student: str
    images: np.ndarray
    steps: np.ndarray
    labels: np.ndarray
    student_top3: np.ndarray
    teacher_top3: np.ndarray
    mse: np.ndarray


@dataclass(frozen=True, slots=True)
class _Stop:
    steps: int
    x: Tensor  # (B, C, H, W), unclamped
    moved: Tensor  # (B, C, H, W), in standard deviations
    student: Tensor  # logits (B, K)
    teacher: Tensor  # logits (B, K)


def curve(
    teacher: Network,
    students: Mapping[str, Network],
    batches: Iterable[Batch],
    *,
    std: Sequence[float],
    steps: Sequence[int] = STEPS,
    alpha: float = ALPHA,
) -> list[Row]:
    """How accurate teacher and each student are on images climbed towards their disagreement, by number of steps.

    std: the training pixels' standard deviation per channel, the unit of `alpha`. Images are not clamped. The batch
    size matters slightly, as in the method: the objective is a mean over the batch, and Adam's eps is not.
    """
    sums: dict[tuple[str, int], list[Tensor]] = {(name, count): [] for name in students for count in _sorted(steps)}
    for batch in batches:
        for name, student in students.items():
            for stop in _trajectory(teacher, student, batch.x, std, steps, alpha):
                sums[name, stop.steps].append(_sums(stop, batch.y))
    return [_row(name, count, parts) for (name, count), parts in sums.items()]


def examples(
    teacher: Network,
    student: Network,
    batch: Batch,
    *,
    std: Sequence[float],
    steps: Sequence[int] = STEPS,
    alpha: float = ALPHA,
    count: int = 6,
    name: str | None = None,
) -> Examples:
    """What the first `count` images of `batch` become, and what both networks see in them.

    The whole batch climbs, as it does for the curve, so that the pictures are the curve's own.
    """
    seen = [_shown(stop, count) for stop in _trajectory(teacher, student, batch.x, std, steps, alpha)]
    images, students, teachers, apart = (np.stack(column, axis=1) for column in zip(*seen, strict=True))
    labels = batch.y[:count].cpu().numpy()
    return Examples(name or student.name, images, np.array(_sorted(steps)), labels, students, teachers, apart)


def save_curve(rows: Sequence[Row], path: Path, *, alpha: float = ALPHA) -> None:
    """Write the curve as JSON (`disagreement.json` of a run directory): whole, or not at all."""
    write_json(path, {"alpha": alpha, "normaliser": "l1", "rows": [asdict(row) for row in rows]})


def save_examples(found: Examples, path: Path, *, classes: Sequence[str] = ()) -> None:
    """Write example images as npz (`disagreement_examples.npz`), with the classes' names where known."""
    arrays = {field: getattr(found, field) for field in Examples.__slots__ if field != "student"}
    names = np.array(list(classes), dtype=np.str_)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, student=np.array(found.student), classes=names, **arrays)


def _trajectory(
    teacher: Network, student: Network, x: Tensor, std: Sequence[float], steps: Sequence[int], alpha: float
) -> Iterator[_Stop]:
    """Climb from `x` (B, C, H, W) with one Adam, and stop at each of `steps`."""
    sigma = torch.tensor(tuple(std), device=x.device, dtype=x.dtype).view(-1, 1, 1)
    if sigma.shape[0] not in (1, x.shape[1]):
        raise UserError(f"std has {sigma.shape[0]} values for images of {x.shape[1]} channels: give one a channel.")
    step = adam(alpha)
    moved, taken = torch.zeros_like(x), 0

    def objective(moved: Tensor) -> Tensor:
        seen = x + sigma * moved
        return mse_disagreement(quietly(student, seen).logits, quietly(teacher, seen).logits).mean()

    for count in _sorted(steps):
        with resting(student, teacher), torch.autocast(x.device.type, enabled=False):
            moved = ascend(moved, objective, step, count - taken)
            with torch.no_grad():
                seen = x + sigma * moved
                stop = _Stop(count, seen, moved, student(seen).logits, teacher(seen).logits)
        taken = count
        yield stop


def _sorted(steps: Sequence[int]) -> list[int]:
    if not steps or min(steps) < 0:
        raise UserError(f"The step counts are {list(steps)}: give one or more numbers of 0 or above.")
    return sorted(set(steps))


def _sums(stop: _Stop, y: Tensor) -> Tensor:
    """A batch's images, both networks' hits, squared differences and mean displacements, summed: (5,)."""
    teacher, student = (logits.argmax(1) == y for logits in (stop.teacher, stop.student))
    apart = mse_disagreement(stop.student, stop.teacher)
    moved = stop.moved.abs().flatten(1).mean(1)
    return torch.stack([each.float().sum() for each in (torch.ones_like(apart), teacher, student, apart, moved)])


def _row(name: str, steps: int, sums: list[Tensor]) -> Row:
    if not sums:
        raise UserError("There are no images to climb from: the set of batches is empty.")
    n, teacher, student, mse, moved = torch.stack(sums).cpu().double().sum(0).tolist()
    return Row(name, steps, teacher / n, student / n, mse / n, moved / n, int(n))


def _shown(stop: _Stop, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The first `count` images (count, H, W, C) uint8, both top threes (count, 3) and the mse (count,)."""
    images = (stop.x[:count].clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    best = [z[:count].topk(min(3, z.shape[1]), dim=1).indices for z in (stop.student, stop.teacher)]
    apart = mse_disagreement(stop.student[:count], stop.teacher[:count])
    return images.cpu().numpy(), best[0].cpu().numpy(), best[1].cpu().numpy(), apart.cpu().numpy()
