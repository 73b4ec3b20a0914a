"""What a guide takes, beside what its mean value would take everywhere: results/disk-readings-s/constant.py RUN…"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from sparring import data as datasets
from sparring.core.mode import mode
from sparring.engine import Compute
from sparring.methods.disk import Disk
from sparring.recipes.build import bout
from sparring.recipes.examine import kept_by, part_of, reopened
from sparring.report.guided import area


@torch.no_grad()
def told(run: Path) -> str:
    """Of a run with L_dist: mean and AUROC for the student's errors of g, of what it takes, of what its mean would."""
    config, data, student, teacher = reopened(run, "cpu")
    method, kept = bout(config, student, teacher, data), kept_by(run)
    Compute(student.mean.device).place_module(method)
    method.recall(kept)
    objective, found, softened = method.objective, [], []
    assert isinstance(objective, Disk)
    with mode(method, training=False):
        for batch in datasets.batches(part_of(data, "test"), batch_size=250, device=student.mean.device, workers=0):
            target, output = method.targets(batch.x, batch), method.student(batch.x)
            assert target is not None
            softened.append(objective.softened(output, target, batch))
            found.append((objective.guided(target), output.logits.argmax(1) != batch.y))
    g, wrong = (torch.cat(part) for part in zip(*found, strict=True))
    each = list(zip(softened, g.split(250), strict=True))
    taken = torch.cat([1 - both.left(own) for both, own in each])
    alike = torch.cat([1 - both.left(torch.full_like(own, float(g.mean()))) for both, own in each])
    words = {"g": g, "taken": taken, "taken by the mean of g": alike}
    return f"{run}: " + ", ".join(
        f"{name} {float(value.mean()):.3f} (AUROC {area(value.numpy(), wrong.numpy()):.3f})"
        for name, value in words.items()
    )


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(told(Path(path)))
