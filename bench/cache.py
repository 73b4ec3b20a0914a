"""What a step costs where the teacher's answers are kept. `python bench/cache.py --help`

The student alone, KD, KD over views, KD that fills a cache, KD that reads what was just filled, and both with ten
logits in half precision take one step each in turn, round after round, in one process; ratios are taken within a round.
Those over views see the same batches, and the weights of the students are compared in the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step import Timed, find_data, spread

from sparring import nets
from sparring.engine import fit
from sparring.recipes import build, config, optim
from sparring.recipes.cached import fingerprint
from sparring.recipes.manifest import git_commit, processor
from sparring.recipes.run import training_stream

TOP = 10
VARIANTS: dict[str, dict[str, Any]] = {
    "ce": {"method": "ce", "views": 30},
    "kd, new images for ever": {},
    "kd": {"views": 30},
    "kd, filling": {"views": 30, "cache": "full"},
    "kd, filled": {"views": 30, "cache": "full"},
    f"kd, filling, top {TOP}": {"views": 30, "cache": "top", "cache_keep": TOP},
    f"kd, filled, top {TOP}": {"views": 30, "cache": "top", "cache_keep": TOP},
}


def stepper(name: str, args: argparse.Namespace, place: Path) -> tuple[Callable[[], None], build.Prepared]:
    """One step at a time of a variant, with networks of its own that start from the same weights."""
    data = find_data(args.data)
    torch.manual_seed(0)
    teacher = nets.load(args.pair.split(":")[0], classes=data.classes, shape=data.shape, mean=data.mean, std=data.std)
    told = {
        "student": args.pair.split(":")[1],
        "batch_size": args.batch,
        "device": args.device,
        "threads": args.threads,
        **VARIANTS[name],
    }
    if "cache" in told:
        told["cache"] = str(place / told["cache"])
    prepared = build.prepare(config.make(told), build.Given(teacher=teacher, data=data))
    stream, descents = Timed(training_stream(prepared)), optim.descents(prepared.config.optim, prepared.method.players)
    taken = 0

    def step() -> None:
        nonlocal taken
        fit(
            prepared.method,
            stream,
            descents=descents,
            start=taken,
            total_steps=taken + 1,
            compute=prepared.compute,
            seed=0,
        )
        taken += 1
        prepared.compute.synchronise()

    return step, prepared


def measured(args: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Each variant's milliseconds, and how many times as fast as KD over the same views it is, round by round."""
    made = {name: stepper(name, args, place) for name in VARIANTS}
    wall: dict[str, list[float]] = {name: [] for name in made}
    cpu: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(args.rounds + 2):
        for name, (step, _) in made.items():
            began, used = time.perf_counter(), time.process_time()
            step()
            if turn > 1:
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - used)
    steps = {
        name: {
            "wall_ms": spread([1000 * value for value in wall[name]]),
            "cpu_ms": spread([1000 * value for value in cpu[name]]),
            "times_as_fast_wall": statistics.median(a / b for a, b in zip(wall["kd"], wall[name], strict=True)),
            "times_as_fast_cpu": spread([a / b for a, b in zip(cpu["kd"], cpu[name], strict=True)]),
        }
        for name in made
    }
    students = {name: fingerprint(prepared.student) for name, (_, prepared) in made.items()}
    return {
        "steps": steps,
        "same_student_as_kd": {name: found == students["kd"] for name, found in students.items()},
        "bf16": made["kd"][1].compute.bf16,
        "bytes_a_row": {folder.name: row_bytes(folder) for folder in sorted(place.iterdir())},
    }


def row_bytes(folder: Path) -> float:
    """What the answer to one view of one image takes in a cache."""
    told = json.loads((folder / "key.json").read_text())
    return (folder / "view-0000.bin").stat().st_size / told["rows"]["images"]


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", default="resnet10-l:resnet10-xxs", help="teacher:student")
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="what else the machine was doing")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = {
            "commit": git_commit(),
            "processor": processor(),
            "torch": torch.__version__,
            "of": {name: value for name, value in vars(args).items() if name != "out"},
            **measured(args, Path(place)),
        }
    print(json.dumps(result, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{args.rounds} rounds", file=sys.stderr)


if __name__ == "__main__":
    main()
