"""What many runs say, wherever they are, in one place: each writes into a log of its own, and this reads them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rich import progress
from rich.console import Console, RenderableType
from rich.text import Text

from sparring.launch.tasks import Task
from sparring.watch import EPOCH

SHOWN = 8  # runs at work that have a line of their own; of further ones only the number is told


class Board(progress.Progress):
    """A bar of all runs, and below it a line of each at work, cut where the terminal ends."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self.lines: dict[Task, str] = {}  # before rich asks for them
        columns = (progress.BarColumn(bar_width=20), progress.MofNCompleteColumn(), progress.TextColumn("runs"))
        super().__init__(*columns, progress.TimeElapsedColumn(), console=console, disable=not live)

    def get_renderables(self) -> Iterator[RenderableType]:
        """What rich draws."""
        yield self.make_tasks_table(self.tasks)
        for line in list(self.lines.values()):
            yield Text(line, no_wrap=True, overflow="ellipsis")


class Progress:
    """How far many runs have come. On a terminal a bar, and what each run at work said last; elsewhere all they say."""

    def __init__(self, many: int) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.live = self.console.file.isatty()
        self.bar = Board(self.console, live=self.live)
        self.all = self.bar.add_task("", total=many)
        self.read: dict[Task, int] = {}
        self.epochs: dict[Task, int] = {}

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
        self.epochs[task] = 0

    def came_on(self, task: Task) -> bool:
        """Whether a task has told of an epoch since it was begun."""
        self.tell(task)
        return self.epochs[task] > 0

    def end(self, task: Task) -> None:
        """A task is over."""
        self.tell(task)
        del self.read[task]
        self.bar.lines.pop(task, None)
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
            self.epochs[task] += bool(epoch)
            if not epoch:
                self.say(task, line)
            elif self.live:
                self.show(task, f"epoch {told}")
            else:
                self.say(task, f"epoch {told}")

    def show(self, task: Task, line: str) -> None:
        """Let a task's line be this one."""
        if task in self.bar.lines or len(self.bar.lines) < SHOWN:
            self.bar.lines[task] = f"{'/'.join(Path(task.name).parts[-2:])}: {line}"

    def say(self, task: Task, text: str) -> None:
        """Tell a line of a task."""
        self.console.print(f"{task.name}: {text}", highlight=False, markup=False)
