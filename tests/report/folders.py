"""Writes run directories as the engine would, so that reports can be tested without training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparring.recipes.config import make, write


def write_run(
    path: Path,
    *,
    method: str = "kd",
    seed: int = 0,
    accuracy: float = 0.7,
    student: str = "resnet8x4",
    data: str = "cifar100",
    epochs: int = 3,
    batch_size: int = 64,
    finished: bool = True,
    logged: bool = True,
    config: dict | None = None,
    manifest: dict | None = None,
    **result,
) -> Path:
    """One run directory at `path`; what is not named has a plain value."""
    path.mkdir(parents=True)
    told = {"method": method, "student": student, "data": data, "seed": seed, "epochs": epochs}
    write(make(told | (config or {})), path / "config.yaml")
    origin = {"sparring": "0.1.0", "torch": "2.13", "device": "cpu", "git_commit": "abcdef0123456789", "seed": seed}
    origin |= {"started": "2026-01-01T00:00:00", "command": f"sparring train --method {method} --seed {seed}"}
    origin |= {"data": {"name": data, "fingerprint": "f00d" * 16}}
    (path / "manifest.json").write_text(json.dumps(origin | (manifest or {})))
    if logged:
        (path / "metrics.jsonl").write_text("\n".join(json.dumps(line) for line in _log(method, accuracy, epochs)))
    if finished:
        teacher = None if method == "ce" else "resnet32x4"
        scored = {"accuracy": accuracy, "nll": 1.2, "ece": 0.05, "agreement": 0.8}
        whole = {"method": method, "student": student, "teacher": teacher, "data": data, "seed": seed}
        whole |= {"epochs": epochs, "batch_size": batch_size, "test": scored, "validation": scored, "best_epoch": 2}
        whole |= {"parameters": 1233540, "macs": 5e7, "seconds": 400.0 if method == "ce" else 900.0}
        whole |= {"images_per_second": 1000.0, "peak_memory_bytes": 2**30, "protocol": "honest"}
        (path / "result.json").write_text(json.dumps(whole | result))
    return path


def _log(method: str, accuracy: float, epochs: int) -> list[dict]:
    lines = []
    for epoch in range(1, epochs + 1):
        terms = {"ce": 2.0 / epoch} if method == "ce" else {"ce": 2.0 / epoch, "kd": 6.0 / epoch}
        for part, more in ((0.5, 1.5), (1.0, 0.5)):  # two lines an epoch, as a run's meter speaks
            line = {"kind": "train", "step": int((epoch - 1 + part) * 10), "epoch": epoch - 1 + part, "gauges": {}}
            lines.append(line | {"terms": {name: more * value for name, value in terms.items()}})
        scored = {"accuracy": accuracy * epoch / epochs, "nll": 1.0}
        lines.append({"kind": "epoch", "step": epoch * 10, "epoch": epoch, "seconds": 10.0, "validation": scored})
    return lines


def write_disagreement(path: Path, students: tuple[str, ...] = ("student",), drop: float = 0.01) -> None:
    """A disagreement curve and two example images in a run directory."""
    rows = [
        {
            "student": name,
            "steps": steps,
            "teacher_accuracy": 0.79 - drop * steps,
            "student_accuracy": 0.73 - drop * steps / 2,
            "mse": 1e-4 * (1 + steps),
            "moved": 0.01 * steps,
            "n": 100,
        }
        for name in students
        for steps in (0, 1, 2, 5, 10, 20, 50)
    ]
    (path / "disagreement.json").write_text(json.dumps({"alpha": 0.01778, "normaliser": "l1", "rows": rows}))
    g = np.random.default_rng(0)
    np.savez_compressed(
        path / "disagreement_examples.npz",
        images=g.integers(0, 255, (2, 4, 32, 32, 3), dtype=np.uint8),
        steps=np.array([0, 1, 5, 50]),
        labels=np.array([0, 2]),
        student_top3=g.integers(0, 4, (2, 4, 3)),
        teacher_top3=g.integers(0, 4, (2, 4, 3)),
        mse=g.random((2, 4)) * 1e-3,
        classes=np.array(["apple", "bear", "<script>alert(3)</script>", "orchid"]),
        student=np.array("student"),
    )
