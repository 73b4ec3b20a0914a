"""What is told of a run in its result.json beside its scores."""

from __future__ import annotations

from typing import Any

from sparring import nets
from sparring.core import Network
from sparring.engine.device import peak_memory
from sparring.evaluate import latency, macs, parameters
from sparring.recipes.build import Prepared, asks_teacher
from sparring.recipes.keeper import Record
from sparring.recipes.slots import changes


def facts(prepared: Prepared, record: Record) -> dict[str, Any]:
    """What result.json says of a run beside its test scores: what it was, what it cost, how its student is fed."""
    config, data, student = prepared.config, prepared.data, prepared.student
    return {
        "method": config.method,
        "student": nets.origin_of(student).called or config.student,
        **({"start": config.student} if nets.origin_of(student).called not in (None, config.student) else {}),
        "changes": changes(config),
        "teacher": config.teacher if asks_teacher(config) else None,
        "data": config.data,
        "seed": config.seed,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "images": {"train": len(data.train), "validation": len(data.validation or ()), "test": len(data.test or ())},
        "protocol": config.protocol,
        "validation": record.last or None,
        "best_epoch": record.best_epoch,
        **({"stopped": record.stopped} if record.stopped else {}),
        **size(student, prepared),
        "steps": record.step,
        "batches": record.batch,  # more than steps where others than the student moved too
        "seconds": record.seconds,
        "data_share": record.waited / max(record.seconds, 1e-9),
        "images_per_second": record.step * config.batch_size / max(record.seconds, 1e-9),
        "peak_memory_bytes": peak_memory(prepared.compute.device),
        "preprocessing": {
            "shape": data.shape,
            "mean": student.mean.flatten().tolist(),
            "std": student.std.flatten().tolist(),
        },
        "class_names": data.class_names,
    }


def size(net: Network, prepared: Prepared) -> dict[str, float]:
    """What a network costs its user: parameters, and for one image multiply-adds and seconds on the run's device."""
    shape, device, net = prepared.data.shape, prepared.compute.device, nets.deepest(net)
    return {
        "parameters": parameters(net),
        "macs": macs(net, shape),
        "latency": latency(net, shape, device, repeats=10),
    }
