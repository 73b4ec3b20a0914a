"""What a run shows while it goes on: a progress line, metrics.jsonl, and trackers by choice."""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from sparring.core import Clock, Moment, UserError
from sparring.files import write_text

Sink = Callable[[Mapping[str, Any]], None]


class Journal:
    """metrics.jsonl: one JSON object a line, the truth about a run. Opened at a step, it forgets what came after."""

    def __init__(self, path: Path, *, step: int = 0) -> None:
        kept = [line for line in read_journal(path) if line["step"] <= step] if path.exists() else []
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self.file = path.open("a", encoding="utf-8")

    def __call__(self, line: Mapping[str, Any]) -> None:
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as error:
            raise UserError(f"cannot write {self.file.name}: {error.strerror}; make room and --resume") from error


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics.jsonl; a last one that was cut off by a kill is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


class Meter:
    """Adds up loss terms on the device and tells the sinks their means, about twenty times an epoch.

    Only then does it wait for the device. Raises UserError at a loss that is not finite, naming step and terms.
    """

    def __init__(self, sinks: list[Sink], gauges: Callable[[], Mapping[str, Tensor]], *, batch_size: int) -> None:
        self.sinks, self.gauges, self.batch_size = sinks, gauges, batch_size
        self.sums: dict[str, Tensor] = {}
        self.bad: Tensor | None = None
        self.count, self.began = 0, time.perf_counter()

    def __call__(self, moment: Moment) -> None:
        step = moment.clock.step
        for name, values in moment.moved.items():
            for term, value in values.items():
                key = term if name == "student" else f"{name}.{term}"
                self.sums[key] = self.sums[key] + value if key in self.sums else value
                fault = torch.where(value.isfinite(), math.inf, float(step))
                self.bad = fault if self.bad is None else torch.minimum(self.bad, fault)
        self.count += 1
        if speaks(moment.clock):
            self.speak(moment.clock)

    def speak(self, clock: Clock) -> None:
        """Tell the means since last time, and start anew."""
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        if self.bad is not None and math.isfinite(step := float(self.bad)):
            raise NotFinite(int(step), means)
        seconds = time.perf_counter() - self.began
        line = {
            "kind": "train",
            "step": clock.step + 1,
            "epoch": (clock.step + 1) / clock.steps_per_epoch,
            "terms": means,
            "gauges": {name: float(value) for name, value in self.gauges().items()},
            "images_per_second": self.count * self.batch_size / seconds,
        }
        for sink in self.sinks:
            sink(line)
        self.restart()

    def restart(self) -> None:
        """Forget what was added up, and start the clock again."""
        self.sums, self.bad, self.count, self.began = {}, None, 0, time.perf_counter()


class NotFinite(UserError):
    """A loss became NaN or infinite."""

    def __init__(self, step: int, means: Mapping[str, float]) -> None:
        terms = ", ".join(f"{name}={value:.4g}" for name, value in means.items())
        super().__init__(
            f"a loss is not finite since step {step} (means of the terms: {terms}); the last good checkpoint is kept. "
            "Try a lower optim.lr, optim.clip=5 or --precision float32"
        )


def speaks(clock: Clock) -> bool:
    """Whether the meter speaks after this step: every twentieth of an epoch, and at the epoch's end."""
    done, every = clock.step % clock.steps_per_epoch + 1, max(1, clock.steps_per_epoch // 20)
    return done % every == 0 or done == clock.steps_per_epoch


class Bar:
    """The progress bar of one run on the terminal; a line per epoch where there is none."""

    def __init__(self, title: str, total_steps: int, *, step: int = 0) -> None:
        self.console = Console(stderr=True)
        self.title, self.accuracy = title, ""
        self.live = sys.stderr.isatty()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}% {task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=self.console, transient=True, disable=not self.live)
        self.task = self.progress.add_task(title, total=total_steps, completed=step, text="")
        self.progress.start()

    def __call__(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "train":
            terms = " ".join(f"{name} {value:.3f}" for name, value in line["terms"].items())
            text = f"epoch {line['epoch']:.1f} {line['images_per_second']:,.0f} images/s {terms}{self.accuracy}"
            self.progress.update(self.task, completed=line["step"], text=text)
        elif line["kind"] == "epoch":
            if part := line.get("validation"):
                self.accuracy = f" validation {part['accuracy']:.2%}"
            if not self.live:
                self.console.print(f"{self.title} epoch {line['epoch']}:{self.accuracy}", highlight=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()


def tracker(name: str, folder: Path, config: Mapping[str, Any]) -> Sink:
    """A sink that passes each line's numbers on to TensorBoard, or to a tracker with the `init`/`log` interface
    that trackio, wandb and swanlab share. Raises UserError where it is unknown or not installed."""
    if name not in ("tensorboard", "trackio", "wandb", "swanlab"):
        raise UserError(f"unknown tracker {name!r}; --track takes tensorboard, trackio, wandb or swanlab")
    try:
        if name == "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            board = SummaryWriter(str(folder / "tensorboard"))
            return lambda line: [board.add_scalar(k, v, line["step"]) for k, v in numbers(line).items()] and None
        module = importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"--track {name} needs the package {name}: pip install {name}") from error
    module.init(project="sparring", name=folder.name, config=dict(config))
    return lambda line: module.log(numbers(line), step=line["step"])


def numbers(line: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in a journal line by slash-separated name."""
    found: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and key != "step":
            found[prefix + key] = value
    return found
