"""What many runs say, wherever they are, in one place: each writes into a log of its own, and this reads them all."""

from __future__ import annotations

import sys
from types import TracebackType

from rich import progress
from rich.console import Console

from sparring.launch.tasks import Task
from sparring.watch import EPOCH

SHOWN = 8  # runs at work that have a line of their own; of further ones only the number is told


class Progress:
    """How far many runs have come. On a terminal a bar, and what each run at work said last; elsewhere all they say."""

    def __init__(self, many: int) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.live = sys.stderr.isatty()
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.MofNCompleteColumn(),
        )
        self.bar = progress.Progress(
            *columns, progress.TimeElapsedColumn(), console=self.console, disable=not self.live
        )
        self.all = self.bar.add_task("runs", total=many)
        self.lines: dict[Task, progress.TaskID] = {}
        self.read: dict[Task, int] = {}

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self.read):
            self.tell(task)
        self.bar.stop()

    def begin(self, task: Task) -> None:
        """Listen to a task from now on."""
        self.read[task] = task.log.stat().st_size if task.log.exists() else 0

    def end(self, task: Task) -> None:
        """A task is over."""
        self.tell(task)
        del self.read[task]
        if task in self.lines:
            self.bar.remove_task(self.lines.pop(task))
        self.bar.advance(self.all)

    def look(self) -> None:
        """Tell what was said since the last look."""
        for task in list(self.read):
            self.tell(task)

    def tell(self, task: Task) -> None:
        """Tell what one said since then: its epochs in its line where there is one, everything else above them."""
        try:
            with task.log.open("rb") as log:
                log.seek(self.read[task])
                text = log.read()
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self.read[task] += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            _, epoch, told = line.partition(EPOCH)
            if not epoch:
                self.say(task, line)
            elif self.live:
                self.show(task, f"epoch {told}")
            else:
                self.say(task, f"epoch {told}")

    def show(self, task: Task, line: str) -> None:
        """Let a task's line be this one."""
        if task not in self.lines:
            if len(self.lines) == SHOWN:
                return
            self.lines[task] = self.bar.add_task("", total=None)
        self.bar.update(self.lines[task], description=f"{task.name}: {line}")

    def say(self, task: Task, text: str) -> None:
        """Tell a line of a task."""
        self.console.print(f"{task.name}: {text}", highlight=False, markup=False)
