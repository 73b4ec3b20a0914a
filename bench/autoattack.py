"""AutoAttack beside its authors' own loop on a run's student: who falls, image by image, and how long both take.
`python bench/autoattack.py RUN --eps 0.3 --images 500 --out results/bench-autoattack.json`

Both attack the same images, block after block in turn, in one process; ratios are taken within a block. The seeds are
each one's own, so the images on which they part are the noise of a second try. The authors' loop is pyautoattack's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pyautoattack import AutoAttack
from step import spread
from torch import Tensor, nn

from sparring.core import Batch, Network
from sparring.evaluate.autoattack import SURVIVES, Standing, Trial, cascade
from sparring.recipes.examine import opened
from sparring.recipes.manifest import git_commit, processor, weights_hash
from sparring.recipes.threat import threat


class Logits(nn.Module):
    """A network as the authors' loop wants it: pixels in, logits out."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).logits


def ours(net: Network, batch: Batch, trial: Trial) -> np.ndarray:
    """Which images of a block stand (B,)."""
    standing = Standing.fresh(len(batch))

    def pick(rows: np.ndarray) -> Batch:
        return Batch(batch.x[rows], batch.y[rows], batch.index[rows])

    for step in cascade(net, pick, trial, standing):
        standing = step.standing
    return standing.broken_by == SURVIVES


def theirs(net: Network, batch: Batch, trial: Trial) -> np.ndarray:
    """Which images of a block stand (B,), by the authors' loop."""
    norm = "L2" if trial.ball.norm == "l2" else "Linf"
    assert trial.version != "few"  # it is ours
    attack = AutoAttack(Logits(net), eps=trial.ball.eps, norm=norm, seed=trial.seed + 1, version=trial.version)
    moved, _ = attack.run_standard_evaluation(batch.x, batch.y, batch_size=trial.batch_size)
    with torch.no_grad():
        return (net(moved).logits.argmax(1) == batch.y).numpy()


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Who stands by both, and the seconds of each, block by block."""
    _, data, net = opened(args.run, "cpu")
    asked = threat(data, net, eps=args.eps, norm=args.norm, images=args.images)
    trial = Trial(asked.ball, args.version, batch_size=args.block)
    blocks = max(1, len(asked.images) // args.block)
    ways: dict[str, Callable[..., np.ndarray]] = {"ours": ours, "theirs": theirs}
    stands: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for turn, rows in enumerate(np.array_split(np.arange(len(asked.images)), blocks)):
        batch = asked.pick(rows)
        for name in sorted(ways, reverse=turn % 2 == 1):
            began, used = time.perf_counter(), time.process_time()
            stands[name].append(ways[name](net, batch, trial))
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - used)
        print({name: (float(np.mean(np.concatenate(found))), cpu[name][-1]) for name, found in stands.items()})
    mine, others = (np.concatenate(stands[name]) for name in ("ours", "theirs"))
    return {
        "run": {"student": net.name, "data": data.name, "weights": weights_hash(net)},
        "asked": {"eps": asked.ball.eps, "norm": args.norm, "version": args.version, "images": len(mine)},
        "robust": {"ours": float(mine.mean()), "theirs": float(others.mean())},
        "apart": {"only ours broke": int((~mine & others).sum()), "only theirs broke": int((mine & ~others).sum())},
        "seconds": {name: {"wall": spread(wall[name]), "cpu": spread(cpu[name])} for name in ways},
        "theirs / ours": {
            kind: spread([b / a for a, b in zip(took["ours"], took["theirs"], strict=True)])
            for kind, took in (("wall", wall), ("cpu", cpu))
        },
        "machine": {"device": processor(), "torch": torch.__version__, "threads": torch.get_num_threads()},
        "commit": git_commit(),
    }


def main() -> None:
    """Measure, print, and write JSON where --out says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--eps", default=None)
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument("--version", choices=("standard", "plus"), default="standard")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--block", type=int, default=100)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(args)
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
