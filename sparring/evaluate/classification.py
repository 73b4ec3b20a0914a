"""Accuracy, calibration and agreement, in one pass over the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Network, UserError
from sparring.evaluate.answers import resting

BINS = 15


def score(
    net: Network,
    batches: Iterable[Batch],
    teacher: Network | None = None,
    *,
    teacher_logits: Tensor | None = None,
) -> dict[str, float]:
    """How often the network is right, how well it knows when it is, and how often it names its teacher's class.

    Returns accuracy and, for more than five classes, top5 (fractions in [0, 1]); nll (nats an image); ece, the expected
    calibration error over 15 equal-width bins of confidence (in [0, 1]); and, where there is a teacher, agreement: how
    often both name the same class, right or wrong. One pass over the images.

    Give the teacher itself, or `teacher_logits` (N, K): what :func:`answers` returned for it on these very batches in
    this order. The device is waited for once, at the end. Raises UserError where there are no images, where the
    cached answers are of another number of images or classes, and where both forms of teacher are given.
    """
    if teacher is not None and teacher_logits is not None:
        raise UserError("Both a teacher and its cached answers were given: give one of them.")
    nets = (net,) if teacher is None else (net, teacher)
    named: Tensor | None = None  # the classes the teacher names, on the batches' device
    sums: list[Tensor] = []
    classes, seen = 0, 0
    with resting(*nets), torch.inference_mode():
        for batch in batches:
            logits = net(batch.x).logits.float()
            classes, choice = logits.shape[1], None
            if teacher is not None:
                choice = _choice(teacher(batch.x).logits, logits)
            elif teacher_logits is not None:
                if named is None:
                    named = _choice(teacher_logits, logits).to(logits.device)
                choice = named[seen : seen + len(batch)]
                _require(len(choice) == len(batch), len(teacher_logits), "fewer")
            seen += len(batch)
            sums.append(_sums(logits, batch.y, choice))
    if not sums:
        raise UserError("There are no images to evaluate: the set of batches is empty.")
    if teacher_logits is not None:
        _require(seen == len(teacher_logits), len(teacher_logits), "more")
    values = _report(torch.stack(sums).cpu().double().sum(0), classes)
    if len(nets) == 1 and teacher_logits is None:
        del values["agreement"]
    return values


def score_exits(net: Network, batches: Iterable[Batch], exits: Sequence[str], own: str) -> dict[str, dict[str, float]]:
    """What `score` returns without a teacher, of each answer of a network that answers at several depths.

    exits: the taps of its shallow answers (B, K). Returns each one's scores by its tap, its own answer's under the name
    `own`, and those of the mean of all these logits as "ensemble". One pass over the images.
    """
    sums: dict[str, list[Tensor]] = {}
    classes = 0
    with resting(net), torch.inference_mode():
        for batch in batches:
            answer = net(batch.x, exits)
            logits = {name: answer.features[name].float() for name in exits} | {own: answer.logits.float()}
            logits["ensemble"] = torch.stack([*logits.values()]).mean(0)
            classes = answer.logits.shape[1]
            for name, each in logits.items():
                sums.setdefault(name, []).append(_sums(each, batch.y, None))
    if not sums:
        raise UserError("There are no images to evaluate: the set of batches is empty.")
    found = {name: _report(torch.stack(each).cpu().double().sum(0), classes) for name, each in sums.items()}
    for values in found.values():
        del values["agreement"]
    return found


def score_answers(logits: Tensor, y: Tensor) -> dict[str, float]:
    """What `score` returns without a teacher, of answers that were asked for before: logits (N, K), y (N,)."""
    values = _report(_sums(logits, y.to(logits.device), None).cpu().double(), logits.shape[1])
    del values["agreement"]
    return values


def _choice(teacher_logits: Tensor, logits: Tensor) -> Tensor:
    """The classes (N,) a teacher names, where its classes can be those of `logits` (B, K)."""
    if teacher_logits.shape[1] != logits.shape[1]:
        raise UserError(
            f"The teacher answers for {teacher_logits.shape[1]} classes and the network for {logits.shape[1]}: "
            "they must be trained for the same classes to be compared."
        )
    return teacher_logits.argmax(1)


def _require(fits: bool, given: int, what: str) -> None:
    if not fits:
        raise UserError(
            f"The cached teacher answers are of {given} images, {what} than the images evaluated: "
            "make them again with answers(teacher, batches) on the same batches."
        )


def _sums(logits: Tensor, y: Tensor, choice: Tensor | None) -> Tensor:
    """What one batch adds up to (5 + 3 * BINS,): images, right, right in five, nats, agreed; then what each bin of
    confidence holds (images, confidence, right). logits (B, K), y and choice (B,); no wait for the device."""
    confidence, first = logits.softmax(1).max(1)
    right = (first == y).float()
    five = logits.topk(min(5, logits.shape[1]), dim=1).indices
    whole = torch.stack(
        [
            torch.ones_like(right).sum(),
            right.sum(),
            (five == y[:, None]).float().sum(),
            F.cross_entropy(logits, y, reduction="sum"),
            right.sum() * 0 if choice is None else (first == choice).float().sum(),
        ]
    )
    bins = ((confidence.nan_to_num() * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    held = F.one_hot(bins, BINS).float()[:, :, None]  # a sum, not index_add: the same bits on every device run
    each = torch.stack([torch.ones_like(right), confidence, right], dim=1)[:, None, :]
    return torch.cat([whole, (held * each).sum(0).flatten()])


def _report(total: Tensor, classes: int) -> dict[str, float]:
    """The named numbers from the summed tallies (5 + 3 * BINS,) float64 of `_sums`."""
    n, right, five, nats, agreed = total[:5].tolist()
    _, confidence, hits = total[5:].view(BINS, 3).unbind(1)
    values = {"accuracy": right / n}
    if classes > 5:
        values["top5"] = five / n
    return values | {"nll": nats / n, "ece": (confidence - hits).abs().sum().item() / n, "agreement": agreed / n}
