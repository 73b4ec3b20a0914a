"""How fast is a KD step and a DA step, beside the loop one would write from the paper? `python bench/step.py --help`

Every variant takes one step in turn, round after round, in one process, so that whatever else the machine does falls
on all of them alike; ratios are taken within a round. Ours run through `fit`, assembled by `recipes/build.py`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from reference import P, Pictures, distil, loader
from torch import nn
from torch.utils.data import TensorDataset

from sparring import data as datasets
from sparring import nets
from sparring.core import Batch, UserError
from sparring.data.images import Resident
from sparring.engine import Compute, fit
from sparring.recipes import build, config, optim
from sparring.recipes.manifest import git_commit, processor
from sparring.recipes.run import training_stream

OURS: dict[str, dict[str, Any]] = {  # every DA variant moves every batch (p = 1); p enters when ratios are taken
    "kd": {"method": "kd"},
    "kd nchw": {"method": "kd", "channels_last": False},
    "kd float32": {"method": "kd", "precision": "float32"},
    "kd float32 nchw": {"method": "kd", "precision": "float32", "channels_last": False},
    "da": {"method": "da", "perturb.p": 1.0},
    "da climb float32": {"method": "da", "perturb.p": 1.0, "perturb.precision": "float32"},
    "da share 0.5": {"method": "da", "perturb.p": 1.0, "perturb.share": 0.5},
    "da share 0.34": {"method": "da", "perturb.p": 1.0, "perturb.share": 0.34},
    "da float32": {"method": "da", "perturb.p": 1.0, "precision": "float32"},
}
REFERENCES = {"reference kd": 0.0, "reference da": 1.0}
Step = Callable[[], float]
"""Takes one training step, and says how many seconds of it were spent waiting for data."""


class Timed:
    """A stream that is walked on from where it was left, and notes how long each batch took."""

    def __init__(self, stream: datasets.Stream) -> None:
        self.steps_per_epoch, self.batches, self.waited = stream.steps_per_epoch, stream(0), 0.0

    def __call__(self, start: int) -> Iterator[Batch]:
        while True:
            asked = time.perf_counter()
            batch = next(self.batches)
            self.waited = time.perf_counter() - asked
            yield batch


def ours(values: Mapping[str, Any], teacher: nn.Module, data: datasets.Data) -> tuple[Step, Compute]:
    """One step at a time of sparring's own training."""
    prepared = build.prepare(config.make(values), build.Given(teacher=teacher, data=data))
    stream, descents = Timed(training_stream(prepared)), optim.descents(prepared.config.optim, prepared.method.players)
    taken = 0

    def step() -> float:
        nonlocal taken
        fit(
            prepared.method,
            stream,
            descents=descents,
            start=taken,
            total_steps=taken + 1,
            compute=prepared.compute,
            seed=prepared.config.seed,
        )
        taken += 1
        return stream.waited

    return step, prepared.compute


def theirs(p: float, student: nn.Module, teacher: nn.Module, data: datasets.Data, args: argparse.Namespace) -> Step:
    """One step at a time of the plain loop."""
    device = build.choose_device(args.device)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (data.mean, data.std))
    assert isinstance(data.train, Resident)
    batches = loader(Pictures(data.train.x, data.train.y, mean, std), args.batch, device)
    return distil(student.to(device), teacher.to(device), batches, device, p=p).__next__


def find_data(name: str) -> datasets.Data:
    """The real images where a copy of them is found, else noise of CIFAR-100's shape."""
    try:
        return datasets.load(name, val=0.1)
    except UserError as error:
        print(f"no {name} ({error}): random images instead", file=sys.stderr)
        x, y = torch.randint(0, 256, (12_800, 3, 32, 32), dtype=torch.uint8), torch.arange(12_800) % 100
        return datasets.wrap(TensorDataset(x, y), val=0.1)


def make(name: str, data: datasets.Data, args: argparse.Namespace) -> tuple[Step, Compute]:
    """The variant of that name, with networks of its own that start from the same weights."""
    torch.manual_seed(0)
    teacher, student = (
        nets.load(spec, classes=data.classes, shape=data.shape, mean=data.mean, std=data.std)
        for spec in args.pair.split(":")
    )
    if name in REFERENCES:
        step = theirs(REFERENCES[name], student.body, teacher.body, data, args)
        return step, Compute(build.choose_device(args.device))
    shared = {
        "student": args.pair.split(":")[1],
        "batch_size": args.batch,
        "device": args.device,
        "threads": args.threads,
    }
    return ours(shared | OURS[name], teacher, data)


@dataclass(frozen=True)
class Taken:
    """What one step took, in seconds: wall, this process's CPU (all threads), waiting for data."""

    wall: float
    cpu: float
    data: float


def measure(
    steps: Mapping[str, tuple[Step, Compute]], rounds: int, seconds: float = float("inf")
) -> dict[str, list[Taken]]:
    """`rounds` steps of each, in turn, after one that is not counted; no new round once `seconds` are over."""
    end = time.perf_counter() + seconds
    taken: dict[str, list[Taken]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        if turn > 1 and time.perf_counter() > end:
            break
        for name, (step, compute) in steps.items():
            compute.synchronise()
            wall, cpu = time.perf_counter(), time.process_time()
            waited = step()
            compute.synchronise()
            if turn:
                taken[name].append(Taken(time.perf_counter() - wall, time.process_time() - cpu, waited))
        print(f"\rround {turn}/{rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return taken


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(taken: Mapping[str, list[Taken]], clock: str) -> dict[str, dict[str, float]]:
    """How many times faster than the reference, round by round; DA's at the published p, mixing in KD's steps."""
    seconds = {name: [getattr(step, clock) for step in steps] for name, steps in taken.items()}

    def at_p(kd: str, da: str) -> list[float]:
        return [(1 - P) * a + P * b for a, b in zip(seconds[kd], seconds[da], strict=True)]

    result = {}
    for name in seconds:
        if name.startswith("kd") and "reference kd" in seconds:
            slow, fast = seconds["reference kd"], seconds[name]
        elif name.startswith("da") and {"reference da", "reference kd", "kd"} <= seconds.keys():
            kd = "kd float32" if name == "da float32" and "kd float32" in seconds else "kd"
            slow, fast = at_p("reference kd", "reference da"), at_p(kd, name)
        else:
            continue
        result[name] = spread([a / b for a, b in zip(slow, fast, strict=True)])
    return result


def memory(name: str, args: argparse.Namespace) -> float:
    """The most memory (MiB) that a process with this variant alone ever held, over two steps."""
    command = [sys.executable, __file__, "--only", name, "--steps", "1", "--pair", args.pair, "--device", args.device]
    command += ["--batch", str(args.batch), "--threads", str(args.threads), "--data", args.data]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def peak(device: torch.device) -> float:
    """MiB: the GPU's allocations where there is one, else what this process held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| step | ms, median (min–max) | CPU ms | images/s | data % | peak MiB | × reference (min–max) |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, row in results["steps"].items():
        wall, ratio = row["wall_ms"], results["ratios"].get(name)
        times = f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})" if ratio else ""
        held = f"{row['memory_mib']:.0f}" if "memory_mib" in row else ""
        lines.append(
            f"| {name} | {wall['median']:.0f} ({wall['min']:.0f}–{wall['max']:.0f}) | {row['cpu_ms']['median']:.0f} | "
            f"{row['images_per_s']:.0f} | {100 * row['data_share']:.2f} | {held} | {times} |"
        )
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="rounds that count")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so long")
    parser.add_argument("--pair", default="resnet32x4:resnet8x4", help="teacher:student")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--only", nargs="*", help=f"some of: {', '.join(chain(REFERENCES, OURS))}")
    parser.add_argument("--memory", action="store_true", help="also run each variant alone, for its peak memory")
    parser.add_argument("--out", type=Path, help="write the results here, as JSON")
    return parser.parse_args()


def provenance(args: argparse.Namespace, data: datasets.Data) -> dict[str, Any]:
    """What one must know to take these numbers again."""
    device = build.choose_device(args.device)
    return {
        "git_commit": git_commit(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": args.threads,
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "pair": args.pair,
        "batch": args.batch,
        "data": {"name": data.name, "fingerprint": data.fingerprint},
        "command": " ".join(sys.argv),
    }


def main() -> None:
    """Measure, print, save."""
    args = arguments()
    torch.set_num_threads(args.threads)
    data = find_data(args.data)
    facts = provenance(args, data)
    names = args.only or [*REFERENCES, *OURS]
    taken = measure({name: make(name, data, args) for name in names}, args.steps, args.seconds)
    gc.collect()
    if args.only and len(args.only) == 1:
        print(peak(build.choose_device(args.device)))
        return
    rows = {}
    for name, steps in taken.items():
        wall, cpu = ([1e3 * getattr(step, clock) for step in steps] for clock in ("wall", "cpu"))
        rows[name] = {
            "wall_ms": spread(wall),
            "cpu_ms": spread(cpu),
            "images_per_s": 1e3 * args.batch / statistics.median(wall),
            "data_share": statistics.median(step.data / step.wall for step in steps),
        } | ({"memory_mib": memory(name, args)} if args.memory else {})
    results = {
        "provenance": facts | {"n": min(map(len, taken.values())), "load_after": os.getloadavg()},
        "steps": rows,
        "ratios": ratios(taken, "wall"),
        "cpu_ratios": ratios(taken, "cpu"),
        "p": P,
    }
    print(table(results))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
