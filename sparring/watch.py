"""What a run shows while it goes on: a progress line, metrics.jsonl, and trackers by choice."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor

from sparring.core import Clock, Moment, UserError, did_you_mean
from sparring.files import as_json, read_lines, write_text
from sparring.keys import flat

TRACKERS = {
    "tensorboard": "torch.utils.tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
    "swanlab": "swanlab",
}


class Sink(Protocol):
    """Whoever is told the lines of a run's journal."""

    def __call__(self, line: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class Journal:
    """metrics.jsonl: one JSON object a line, the truth about a run. Opened at a batch, it forgets what came after."""

    def __init__(self, path: Path, *, batch: int = 0) -> None:
        kept = [line for line in read_lines(path) if batch_of(line) <= batch]
        write_text(path, "".join(as_json(line) + "\n" for line in kept))
        self.file = path.open("ab", buffering=0)

    def __call__(self, line: Mapping[str, Any]) -> None:
        try:
            self.file.write((as_json(line) + "\n").encode())
        except OSError as error:
            raise UserError(
                f"cannot write {self.file.name}: {error.strerror}; make room there and go on with --resume"
            ) from error

    def close(self) -> None:
        """No more lines."""
        self.file.close()


class Meter:
    """Gathers loss terms on the device and tells the sinks their means, about twenty times an epoch.

    Only then does it wait for the device. Raises UserError at a loss that is not finite, naming step and terms.
    mean: averages a tensor over the processes that train together.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        gauges: Callable[[], Mapping[str, Tensor]],
        *,
        batch_size: int,
        mean: Callable[[Tensor], Tensor],
    ) -> None:
        self.sinks, self.gauges, self.batch_size, self.mean = sinks, gauges, batch_size, mean
        self.restart()

    def __call__(self, moment: Moment) -> None:
        for name, values in moment.moved.items():
            for term, value in values.items():
                key = term if name == "student" else f"{name}.{term}"
                self.heard.append((moment.clock, key, value))
        self.count += 1
        if speaks(moment):
            self.speak(moment)

    def speak(self, moment: Moment) -> None:
        """Tell the means since last time, and start anew; nothing where nothing was heard."""
        if not self.heard:
            return
        values = self.mean(torch.stack([value.float() for _, _, value in self.heard])).tolist()
        terms: dict[str, list[float]] = {}
        for (clock, key, _), value in zip(self.heard, values, strict=True):
            if not math.isfinite(value):
                raise NotFinite(clock.step, self.at(clock, values))
            terms.setdefault(key, []).append(value)
        seconds = time.perf_counter() - self.began
        line = {
            "kind": "train",
            "step": moment.step,
            "batch": moment.clock.batch + 1,
            "epoch": moment.step / moment.clock.steps_per_epoch,
            "terms": {name: math.fsum(found) / len(found) for name, found in terms.items()},
            "gauges": {name: float(value) for name, value in self.gauges().items()},
            "images_per_second": self.count * self.batch_size / seconds,
        }
        self.tell(line)
        self.restart()

    def tell(self, line: Mapping[str, Any]) -> None:
        """Tell all sinks a line."""
        for sink in self.sinks:
            sink(line)

    def at(self, clock: Clock, values: Sequence[float]) -> str:
        """The terms of one batch, in words."""
        here = [(key, value) for (at, key, _), value in zip(self.heard, values, strict=True) if at == clock]
        return "a loss is not finite: " + ", ".join(f"{key}={value:.4g}" for key, value in here)

    def restart(self) -> None:
        """Forget what was heard, and start the clock again."""
        self.heard: list[tuple[Clock, str, Tensor]] = []
        self.count, self.began = 0, time.perf_counter()


class NotFinite(UserError):
    """A loss or a weight became NaN or infinite in a step. kept: whether there is a checkpoint from before it."""

    def __init__(self, step: int, what: str, *, kept: bool = False) -> None:
        self.step, self.what = step, what
        super().__init__(
            f"stopped at step {step + 1}: {what}. {'The last good checkpoint is kept; try' if kept else 'Try'} "
            "a lower optim.lr, optim.clip=5, optim.warmup=1 or --precision float32, with another --out"
        )


def speaks(moment: Moment) -> bool:
    """Whether the meter speaks now: after each twentieth of an epoch or 50 batches, and at the epoch's end."""
    per_epoch = moment.clock.steps_per_epoch
    done, every = moment.clock.batch % per_epoch + 1, max(1, min(50, per_epoch // 20))
    return done % every == 0 or moment.ends_epoch


EPOCH = ": epoch "  # in a bar's line, between what is trained and how far it is


class Bar:
    """The progress bar of one run on the terminal; a line per epoch where there is none."""

    def __init__(self, title: str, total_steps: int, *, step: int = 0) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.title, self.total, self.first = title, total_steps, step
        self.accuracy = self.speed = ""
        self.began = time.perf_counter()
        self.live = self.console.file.isatty()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}% {task.fields[text]}", markup=False),
        )
        self.progress = Progress(*columns, console=self.console, transient=True, disable=not self.live)
        self.task = self.progress.add_task(title, total=total_steps, completed=step, text="")
        self.progress.start()

    def __call__(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "train":
            terms = ", ".join(f"{name} {value:.3f}" for name, value in line["terms"].items())
            self.speed = f"{terms}, {line['images_per_second']:,.0f} images/s"
            text = f"epoch {line['epoch']:.1f}: {self.accuracy}{self.speed}, {self.left(line['step'])}"
            self.progress.update(self.task, completed=line["step"], text=text)
        elif line["kind"] == "epoch":
            if part := line.get("validation"):
                name = next(iter(part))
                told = f"{part[name]:.2%}" if name == "accuracy" else f"{part[name]:.4g} {name.replace('_', ' ')}"
                attacked = (f" ({part[each]:.2%} under {each.upper()})" for each in part if each.startswith("pgd-"))
                self.accuracy = f"validation {told}{''.join(attacked)}, "
            if not self.live:
                epochs = self.total * line["epoch"] // line["step"]
                text = f"{self.title}{EPOCH}{line['epoch']}/{epochs}, {self.accuracy}{self.speed}"
                self.console.print(f"{text}, {self.left(line['step'])}", highlight=False, markup=False)

    def left(self, step: int) -> str:
        """How long it will take from `step` on, at the pace so far."""
        pace = (time.perf_counter() - self.began) / max(step - self.first, 1)
        return f"{timedelta(seconds=round((self.total - step) * pace))} left"

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()


class TensorBoard:
    """Each line's numbers by its batch, as TensorBoard's scalars in `folder`/tensorboard, from `batch` on."""

    def __init__(self, folder: Path, *, batch: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=batch + 1 if batch else None)

    def __call__(self, line: Mapping[str, Any]) -> None:
        for name, value in numbers(line).items():
            self.board.add_scalar(name, value, batch_of(line))

    def close(self) -> None:
        """Write what is left."""
        self.board.close()


class Remote:
    """Each line's numbers by its batch, for a tracker with the `init`, `log`, `finish` of trackio, wandb, swanlab."""

    def __init__(self, module: Any, name: str, config: Mapping[str, Any]) -> None:
        self.module = module
        module.init(project="sparring", name=name, config=dict(config))

    def __call__(self, line: Mapping[str, Any]) -> None:
        self.module.log(numbers(line), step=batch_of(line))

    def close(self) -> None:
        """Say that the run is over."""
        self.module.finish()


def tracker(name: str, folder: Path, config: Mapping[str, Any], *, batch: int = 0) -> Sink:
    """The sink called `name` for the run in `folder`, which goes on from `batch`."""
    module = require_tracker(name)
    return TensorBoard(folder, batch=batch) if name == "tensorboard" else Remote(module, folder.name, config)


def require_tracker(name: str) -> Any:
    """The tracker's module. Raises UserError where it is unknown or not installed."""
    if name not in TRACKERS:
        raise UserError(f"unknown tracker {name!r}. {did_you_mean(name, TRACKERS)}")
    try:
        return importlib.import_module(TRACKERS[name])
    except ImportError as error:
        raise UserError(f"--track {name} needs a package that is not here: pip install {name}") from error


def numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers in a journal line by slash-separated name, its batch aside."""
    told = flat(line, between="/").items()
    return {name: value for name, value in told if isinstance(value, int | float) and name != "batch"}


def batch_of(line: Mapping[str, Any]) -> int:
    """The batch of a journal line: steps stand still while an augmentor moves, and what is told then must not mix."""
    return line.get("batch", line["step"])
