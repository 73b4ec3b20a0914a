"""What it costs to have runs carried out elsewhere: seconds until the first begins, and for each further one.

    python bench/placement.py --on local:2 ray slurm:local --tasks 30 --out results/bench-placement.json

Tasks that do nothing, handed over by the same loop that hands over runs. A worker imports torch once (local, ray), or
for each task (slurm). Several blocks, the ways in turn, so that other work on the machine weighs on all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sparring.launch.carry_out import carry_out
from sparring.launch.tasks import Task
from sparring.launch.where import Where


def seconds(on: str, many: int) -> float:
    """How long it takes until so many tasks that do nothing have ended, workers made and let go."""
    with TemporaryDirectory() as folder:
        tasks = [Task(partial(int, 0), f"task-{n}", Path(folder) / str(n) / ".log") for n in range(many)]
        began = time.perf_counter()
        carry_out(tasks, Where(on))
        return time.perf_counter() - began


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", nargs="+", default=["local:2"])
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {on: [] for on in asked.on}
    for _ in range(asked.blocks):
        for on in asked.on:
            one, many = seconds(on, 1), seconds(on, asked.tasks)
            found[on].append({"first": one, "further": (many - one) / (asked.tasks - 1)})
    told = {"load": os.getloadavg()[0], "tasks": asked.tasks, "cores": os.cpu_count(), "blocks": found}
    for on, blocks in found.items():
        first, further = (statistics.median(block[key] for block in blocks) for key in ("first", "further"))
        print(
            f"{on}: the first after {first:.2f} s, each further one {further:.3f} s (median of {asked.blocks} blocks)"
        )
    if asked.out:
        asked.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
