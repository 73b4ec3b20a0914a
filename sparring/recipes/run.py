"""One run: from a configuration to a run directory."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import sparring
from sparring import data as datasets
from sparring import nets
from sparring.core import Network, UserError
from sparring.engine import Checkpoints, fit
from sparring.engine.device import together
from sparring.evaluate import macs, parameters, score
from sparring.files import write_text
from sparring.nets import weights
from sparring.recipes import config as schema
from sparring.recipes.build import Given, Prepared, descents, needs_teacher, prepare
from sparring.recipes.config import Config
from sparring.recipes.judge import BEST, Exam, Judge, Record, listening, refuse_weak_teacher, restored
from sparring.recipes.rehearse import rehearse
from sparring.watch import Bar, Journal, Meter, Sink, tracker


@dataclass(frozen=True, slots=True)
class Result:
    """What a run leaves: `.student`, ready to answer; `.metrics`, the contents of result.json; `.out`, its folder."""

    student: Network
    metrics: Mapping[str, Any]
    out: Path

    def report(self) -> Path:
        """Write report.html into the run's folder, and return its path."""
        from sparring.report import page

        return page([self.out], self.out / "report.html")


def run(config: Config, out: Path | str, *, given: Given | None = None, resume: bool = False) -> Result:
    """Train one student as `config` says and fill the run directory `out`.

    given: a teacher, student or data set handed over from Python. resume: go on with the run that `out` holds; a
    finished one is only read. Raises UserError for every mistake that a user can mend, before any training.
    """
    with together():
        return _run(config, Path(out), given or Given(), resume)


def _run(config: Config, out: Path, given: Given, resume: bool) -> Result:
    claim_folder(out, resume)
    prepared = prepare(config, given)
    config = prepared.config
    refuse_other_run(out, config)
    if resume and (out / "result.json").exists():
        return finished(out, prepared)
    stream = training_stream(prepared)
    exams = {"validation": Exam(prepared, prepared.data.validation)} if prepared.data.validation else {}
    judge_teacher(prepared, exams)
    rehearse(prepared, next(iter(stream(0))))
    if prepared.compute.rank == 0:
        schema.write(config, out / "config.yaml")
        write_text(out / "manifest.json", json.dumps(manifest(prepared, given), indent=2))
    if config.protocol == "paper" and prepared.data.test:
        exams["test"] = Exam(prepared, prepared.data.test)
    record = train(prepared, stream, out, exams)
    return conclude(prepared, record, stream, out)


def training_stream(prepared: Prepared) -> datasets.Stream:
    """The training batches of a run: the same for the same seed, whatever the method."""
    config, compute = prepared.config, prepared.compute
    return datasets.stream(
        prepared.data.train,
        batch_size=config.batch_size,
        seed=config.seed,
        augment=config.augment,
        device=compute.device,
        rank=compute.rank,
        world=compute.world,
        workers=config.workers,
    )


def train(prepared: Prepared, stream: datasets.Stream, out: Path, exams: Mapping[str, Exam]) -> Record:
    """From the newest checkpoint, or the beginning, to the last step."""
    config, compute = prepared.config, prepared.compute
    moves, checkpoints = descents(prepared), Checkpoints(out / "checkpoints", warn=say)
    record = restored(prepared, moves, checkpoints)
    total = config.epochs * stream.steps_per_epoch
    sinks: list[Sink] = []
    if compute.rank == 0:
        bar = Bar(f"{out.name} {config.method}", total, step=record.step)
        sinks = [Journal(out / "metrics.jsonl", step=record.step), bar]
        if config.track:
            sinks.append(tracker(config.track, out, config.model_dump(mode="json")))
    meter = Meter(sinks, prepared.method.gauges, batch_size=config.batch_size)
    judge = Judge(prepared, moves, record, checkpoints, meter, sinks, exams)
    deaf = listening(judge)
    try:
        fit(
            prepared.method,
            stream,
            descents=moves,
            total_steps=total,
            compute=compute,
            seed=config.seed,
            start=record.step,
            watchers=[meter, judge],
        )
    finally:
        deaf()
        if compute.rank == 0:
            bar.close()
    return record


def conclude(prepared: Prepared, record: Record, stream: datasets.Stream, out: Path) -> Result:
    """Read the test set, once, and write down what came of the run."""
    config, data, student = prepared.config, prepared.data, prepared.student
    result: dict[str, Any] = {
        "method": config.method,
        "student": config.student,
        "teacher": config.teacher if needs_teacher(config) else None,
        "data": config.data,
        "seed": config.seed,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "protocol": config.protocol,
        "validation": record.last or None,
        "best_epoch": record.best_epoch,
        "parameters": parameters(student),
        "macs": macs(student, data.shape),
        "seconds": record.seconds,
        "images_per_second": record.step * config.batch_size / max(record.seconds, 1e-9),
        "peak_memory_bytes": peak_memory(prepared.compute.device),
    }
    if data.test is not None:
        exam = Exam(prepared, data.test)
        result["test"] = exam()
        best = out / "checkpoints" / BEST
        if record.best_epoch not in (None, config.epochs) and best.exists():
            last = {name: value.clone() for name, value in student.state_dict().items()}
            weights.put(student.body, weights.read(best)[0], best)
            result["test_at_best_validation"] = exam()
            student.load_state_dict(last)
        if record.best_on_test:
            result["test_best"] = record.best_on_test
    if prepared.compute.rank == 0:
        nets.save(student, out / "student.safetensors", class_names=data.class_names)
        write_text(out / "result.json", json.dumps(result, indent=2))
    if dist.is_initialized():
        dist.barrier()
    return Result(student.eval(), result, out)


def finished(out: Path, prepared: Prepared) -> Result:
    """A run that is over, as it was left."""
    file = out / "student.safetensors"
    weights.put(prepared.student.body, weights.read(file)[0], file)
    return Result(prepared.student.eval(), json.loads((out / "result.json").read_text()), out)


def claim_folder(out: Path, resume: bool) -> None:
    """Raise UserError where `out` cannot be written, or holds a run that is not to be resumed."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; give a folder that does not exist yet")
    started = (out / "config.yaml").exists() or (out / "result.json").exists()
    if started and not resume:
        raise UserError(f"{out} holds a run already; add --resume to go on with it, or give another --out")
    if out.is_dir() and not started and any(p for p in out.iterdir() if not p.name.startswith(".")):
        raise UserError(f"{out} is not empty and holds no run; give a folder of its own with --out")
    write_text(out / ".writable", "")
    (out / ".writable").unlink()


def refuse_other_run(out: Path, config: Config) -> None:
    """Raise UserError where the run that `out` holds computes something else than `config` does."""
    if not (out / "config.yaml").exists():
        return
    if changed := schema.differences(schema.read(out / "config.yaml"), config):
        raise UserError(
            f"{out} holds a run with other arguments ({'; '.join(changed[:5])}); "
            "give the same arguments to resume it, or another --out"
        )


def judge_teacher(prepared: Prepared, exams: Mapping[str, Exam]) -> None:
    """Raise UserError for a teacher near chance on held-out images (on training images where none are held out)."""
    if prepared.teacher is None:
        return
    accuracy, chance = teacher_accuracy(prepared, exams.get("validation"))
    refuse_weak_teacher(prepared.config, accuracy, chance)


def teacher_accuracy(prepared: Prepared, exam: Exam | None) -> tuple[float, float]:
    """(the teacher's accuracy, the share of the commonest class) where it is judged."""
    part = prepared.data.validation or prepared.data.train
    labels = part.y.cpu()
    if exam is not None and exam.teacher is not None:
        accuracy = float((exam.teacher.cpu().argmax(1) == labels).double().mean())
    else:
        assert prepared.teacher is not None
        batches = datasets.batches(part, batch_size=256, device=prepared.compute.device)
        accuracy = score(prepared.teacher, batches)["accuracy"]
    return accuracy, float(labels.bincount().max() / len(labels))


def manifest(prepared: Prepared, given: Given) -> dict[str, Any]:
    """Where the numbers of a run come from."""
    data, compute, config = prepared.data, prepared.compute, prepared.config
    teacher = None
    if prepared.teacher is not None:
        teacher = {"spec": config.teacher or prepared.teacher.name, "sha256": weights_hash(prepared.teacher)}
    return {
        "sparring": sparring.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "processes": compute.world,
        "bf16": compute.bf16,
        "channels_last": compute.channels_last,
        "git_commit": git_commit(),
        "seed": config.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "data": {"name": data.name, "fingerprint": data.fingerprint, "train": len(data.train)},
        "teacher": teacher,
    }


def weights_hash(net: nn.Module) -> str:
    """The SHA-256 of a network's weights and buffers, in the order of their names."""
    total = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def git_commit() -> str | None:
    """The commit of the checkout that the package lies in, with "+" where it has changes; None outside one."""
    where = Path(__file__).resolve().parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "."], cwd=where, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty else "")


def peak_memory(device: torch.device) -> int:
    """The most memory held at once: on the GPU where the run is on one, else by the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def say(text: str) -> None:
    """A word to the user, beside the progress bar."""
    print(text, file=sys.stderr)
