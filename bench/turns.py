"""What the turns of HARD or DiSK cost beside a KD step. `python bench/turns.py --help`

KD, the student's turn and its partner's (HARD's augmentor, DiSK's guide) take one step each in turn, round after round,
in one process; ratios are taken within a round. HARD's phases are held where they are by a patience that is never
satisfied, DiSK's by turns that do not end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from step import Timed, find_data, spread

from sparring import nets
from sparring.engine import fit
from sparring.methods.hard import Hard
from sparring.parts.phases import State
from sparring.recipes import build, config, optim
from sparring.recipes.manifest import git_commit, processor
from sparring.recipes.run import training_stream

HELD = {"perturb.patience": 10**9, "perturb.cap": 0}
ENDLESS = 1e9  # epochs
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "hard": {
        "kd": {"method": "kd-soft"},
        "gaussian-affine": {"method": "gaussian-affine"},
        "hard, student": {"method": "hard-affine", **HELD},
        "hard, augmentor": {"method": "hard-affine", **HELD},
    },
    "disk": {
        "kd": {"method": "kd-disk"},
        "disk, student": {"method": "disk", "objective.first": 1e-9, "objective.inner": ENDLESS},
        "disk, student, guide on a map": {
            "method": "disk-release", "objective.first": 1e-9, "objective.inner": ENDLESS, "objective.guide": "map",
        },
        "disk, guide": {"method": "disk", "objective.first": ENDLESS},
    },
}  # fmt: skip
POOL = 20  # snapshots to draw from


def stepper(name: str, args: argparse.Namespace) -> Callable[[], None]:
    """One step at a time of a variant, with networks of its own."""
    data = find_data(args.data)
    teacher = nets.load(args.pair.split(":")[0], classes=data.classes, shape=data.shape, mean=data.mean, std=data.std)
    told = {
        "student": args.pair.split(":")[1],
        "batch_size": args.batch,
        "device": args.device,
        "threads": args.threads,
    }
    prepared = build.prepare(config.make(told | VARIANTS[args.of][name]), build.Given(teacher=teacher, data=data))
    part = prepared.method.perturb
    if isinstance(part, Hard):
        for _ in range(POOL):
            part.pool.add(part.augmentor.learned(), joined=(0, 0))
        part.phases.state = State(attacking=int(name == "hard, augmentor"), phases=2)  # the head start is over
    stream, descents = Timed(training_stream(prepared)), optim.descents(prepared.config.optim, prepared.method.players)

    def step() -> None:
        fit(
            prepared.method,
            stream,
            descents=descents,
            total_steps=10**9,
            compute=prepared.compute,
            seed=0,
            first_batch=1,  # past the one batch that DiSK's guide has first
            watchers=[lambda moment: True],
        )
        prepared.compute.synchronise()

    return step


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=sorted(VARIANTS), default="hard", help="whose turns")
    parser.add_argument("--pair", default="orbit-cnn:orbit-mlp", help="teacher:student")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    steps = {name: stepper(name, args) for name in VARIANTS[args.of]}
    wall: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(args.rounds + 2):
        for name, step in steps.items():
            began, used = time.perf_counter(), time.process_time()
            step()
            if turn > 1:
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - used)
    told = {
        name: {
            "wall_ms": spread([1000 * value for value in wall[name]]),
            "cpu_ms": spread([1000 * value for value in cpu[name]]),
            "times_kd_wall": statistics.median(a / b for a, b in zip(wall[name], wall["kd"], strict=True)),
            "times_kd_cpu": statistics.median(a / b for a, b in zip(cpu[name], cpu["kd"], strict=True)),
        }
        for name in steps
    }
    result = {
        "commit": git_commit(),
        "processor": processor(),
        "torch": torch.__version__,
        "of": {name: value for name, value in vars(args).items() if name != "out"},
        "steps": told,
    }
    print(json.dumps(result, indent=1))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{args.rounds} rounds", file=sys.stderr)


if __name__ == "__main__":
    main()
