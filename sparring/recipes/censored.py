"""What a run's objective leaves out, image by image: the guide's values beside the student's errors."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparring import data as datasets
from sparring.core.mode import mode
from sparring.core.network import computing
from sparring.parts.bout import Bout

ROWS = ("most censored", "least censored")


def censored(
    method: Bout, data: datasets.Data, part: datasets.Images, count: int, workers: int
) -> dict[str, np.ndarray] | None:
    """How much of each image of a part a method's objective censors, and how the student does there; None where it
    censors nothing.

    count: images shown of each kind, or all that there are. Returns values, taken, ce (M,) float32 and right, taught
    (M,) bool, of each image: the guide's value, the share of its teaching that this takes from the student, the
    student's cross-entropy, whether student and teacher are right; and of those of the largest and the least share, in
    that order: images (2, N, C, H, W) float16, value, share (2, N), and the names label, teacher, student (2, N);
    rows (2,), what each is.
    """
    device = next(method.student.parameters()).device
    each = []
    with mode(method, training=False), torch.no_grad(), computing(device.type, bf16=False):
        for batch in datasets.batches(part.to(device), batch_size=256, device=device, workers=workers):
            target = method.targets(batch.x, batch)
            output = method.student(batch.x)
            found = None if target is None else method.objective.censors(output, target, batch)
            if target is None or found is None:
                return None
            logits = output.logits
            ce = F.cross_entropy(logits, batch.y, reduction="none")
            each.append(torch.stack([*found, ce, batch.y, target.logits.argmax(1), logits.argmax(1)]).cpu())
    values, taken, ce, label, teacher, student = torch.cat(each, 1)
    order = taken.argsort(descending=True, stable=True)
    count = min(count, max(1, len(order) // 2))
    shown = torch.stack([order[:count], order.flip(0)[:count]])
    names = np.array(data.class_names)
    answers = {"label": label, "teacher": teacher, "student": student}
    return {
        "values": values.numpy(),
        "taken": taken.numpy(),
        "ce": ce.numpy(),
        "right": (student == label).numpy(),
        "taught": (teacher == label).numpy(),
        "images": pixels(part, shown),
        "value": values[shown].numpy(),
        "share": taken[shown].numpy(),
        "rows": np.array(ROWS),
        **{name: names[told[shown].long().numpy()] for name, told in answers.items()},
    }


def pixels(part: datasets.Images, rows: Tensor) -> np.ndarray:
    """The images of a part at positions `rows` (R, N), as they are: (R, N, C, H, W) float16."""
    some = part.take(rows.flatten().numpy()).to("cpu")
    x = torch.cat([batch.x for batch in datasets.batches(some, batch_size=256, workers=0)])
    return x.view(*rows.shape, *x.shape[1:]).numpy().astype(np.float16)
