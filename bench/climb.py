"""What bfloat16 does to DA's climb: its gradient, its step and what it is for, beside float32's.

    python bench/climb.py --teacher resnet20@RUN/checkpoints/best.safetensors --student resnet8 --steps 300

The student is first distilled for `--steps` batches, so that the pair is partly trained; then both precisions climb
from the same batches, with the student in train mode and its BatchNorm statistics put back.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sparring import data as datasets
from sparring import nets
from sparring.core import Batch, Network, Setting
from sparring.engine import fit
from sparring.methods import da
from sparring.parts import divergences
from sparring.parts.ascend import Step, adam
from sparring.recipes import build, config, optim
from sparring.recipes.manifest import git_commit, processor
from sparring.recipes.run import training_stream

CASES: dict[str, tuple[Literal["float32", "bf16"], bool]] = {  # precision of the climb, images in channels-last
    "float32": ("float32", True),
    "float32, NCHW": ("float32", False),
    "bf16": ("bf16", True),
    "bf16, NCHW": ("bf16", False),
}


def climbed(case: str, prepared: build.Prepared, teacher: Network, batch: Batch) -> tuple[Tensor, Tensor, float]:
    """(gradient, moved inputs, CPU seconds) of one climb; the student is a copy."""
    precision, channels_last = CASES[case]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    setting = Setting(prepared.data.classes, prepared.data.shape, prepared.data.mean, prepared.data.std)
    part = da.DisagreementAugmentation(setting, p=1.0, precision=precision)
    seen: list[Tensor] = []

    def heard(alpha: float) -> Step:
        step = adam(alpha)

        def listen(position: Tensor, gradient: Tensor) -> Tensor:
            seen.append(gradient.detach().clone())
            return step(position, gradient)

        return listen

    part.rule = heard
    student = copy.deepcopy(prepared.student).to(memory_format=layout)  # type: ignore[call-overload]
    taught_by = copy.deepcopy(teacher).to(memory_format=layout)  # type: ignore[call-overload]
    batch = batch.at(batch.x.contiguous(memory_format=layout))
    started = time.process_time()
    moved = part.climb(batch, student, lambda x, batch: taught_by(x), whole=len(batch))
    spent = time.process_time() - started
    return seen[0], moved, spent


def compared(prepared: build.Prepared, teacher: Network, batch: Batch) -> dict[str, dict[str, float]]:
    """Every case on one batch, in numbers that the whole batch shares."""
    sigma = torch.tensor(prepared.data.std).view(-1, 1, 1)
    truth, reached, _ = climbed("float32", prepared, teacher, batch)
    result = {}
    for case in CASES:
        gradient, moved, spent = climbed(case, prepared, teacher, batch)
        step = ((moved - batch.x) / sigma / 0.01778).abs()
        awake = truth.abs() > truth.abs().median()
        student = copy.deepcopy(prepared.student).train()
        with torch.no_grad():
            s, t = student(moved).logits, teacher(moved).logits
        result[case] = {
            "cosine": torch.cosine_similarity(gradient.flatten(), truth.flatten(), dim=0).item(),
            "cosine_of_moves": torch.cosine_similarity(
                (moved - batch.x).flatten(), (reached - batch.x).flatten(), dim=0
            ).item(),
            "signs_equal": (gradient.sign() == truth.sign()).float().mean().item(),
            "signs_equal_upper_half": (gradient.sign() == truth.sign())[awake].float().mean().item(),
            "zeros": (gradient == 0).float().mean().item(),
            "median_gradient": gradient.abs().median().item(),
            "step_mean": step.mean().item(),
            "step_below_half": (step < 0.5).float().mean().item(),
            "disagreement_after": divergences.mse_disagreement(s, t).mean().item(),
            "kd_loss_after": divergences.kd(s, t, 4.0).item(),
            "cpu_ms": 1e3 * spent,
        }
    with torch.no_grad():
        s = copy.deepcopy(prepared.student).train()(batch.x).logits
        t = teacher(batch.x).logits
    result["not moved"] = {
        "disagreement_after": divergences.mse_disagreement(s, t).mean().item(),
        "kd_loss_after": divergences.kd(s, t, 4.0).item(),
    }
    return result


def pair(args: argparse.Namespace) -> tuple[build.Prepared, Network, datasets.Stream]:
    """A teacher with weights, and a student that learned from it for a while."""
    data = datasets.load("cifar100")
    teacher = nets.load(args.teacher, classes=data.classes, shape=data.shape, mean=data.mean, std=data.std)
    values = {"student": args.student, "method": "kd", "threads": args.threads, "device": "cpu"}
    prepared = build.prepare(config.make(values), build.Given(teacher=teacher, data=data))
    stream = training_stream(prepared)
    moves = optim.descents(prepared.config.optim, prepared.method.players)
    fit(prepared.method, stream, descents=moves, total_steps=args.steps, compute=prepared.compute, seed=0)
    assert prepared.teacher is not None  # kd has one
    return prepared, prepared.teacher, stream


def main() -> None:
    """Train a little, compare on some batches, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--student", default="resnet8")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    prepared, teacher, stream = pair(args)
    found = [
        compared(prepared, teacher, prepared.compute.place(batch)) for batch in islice(stream(args.steps), args.batches)
    ]
    results = {
        case: {key: statistics.median(each[case][key] for each in found) for key in found[0][case]} for case in found[0]
    }
    for case, numbers in results.items():
        print(f"{case:18s}", *(f"{key}={value:.4g}" for key, value in numbers.items()))
    if args.out:
        facts = {"git_commit": git_commit(), "device": processor(), "torch": torch.__version__, "n": args.batches}
        facts |= {"teacher": args.teacher, "student": args.student, "student_steps": args.steps}
        args.out.write_text(json.dumps({"provenance": facts, "cases": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
