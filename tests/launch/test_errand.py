"""A task in a worker: a signal that came too early is heard, a full disk is told, and what a terminal shows fits it."""

import errno
import io
import os
import signal
import sys

import pytest
import torch
from rich.console import Console

from sparring.core.signals import stops
from sparring.errors import Interrupted
from sparring.launch.carry_out import listening, threads
from sparring.launch.progress import Board, Progress
from sparring.launch.tasks import Ended, Errand, Task, heard, remember
from sparring.recipes.augmentation import say_once
from sparring.watch import Bar


@pytest.fixture
def errand(tmp_path):
    """An errand in this process, which afterwards listens to signals and has its arguments as before."""
    handlers, words = {number: signal.getsignal(number) for number in (*stops(), signal.SIGHUP)}, sys.argv
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where nohup started the tests
    yield lambda work: Errand(work, tmp_path / "run" / ".log", torch.get_num_threads())()
    sys.argv = words
    heard.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_signal_that_came_before_the_task_stops_it_and_no_other(errand):
    done = []
    remember()
    os.kill(os.getpid(), signal.SIGTERM)
    ended = errand(lambda: done.append("first"))
    assert ended.stopped
    assert ended.signal == signal.SIGTERM
    assert errand(lambda: os.kill(os.getpid(), signal.SIGHUP)).signal == signal.SIGHUP
    assert errand(lambda: done.append("second")) == Ended()
    assert done == ["second"]


def test_a_signal_within_a_users_own_code_is_no_mistake_of_theirs(errand):
    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):
                pass
        except Exception as error:
            raise AssertionError("a user's file caught it") from error

    assert errand(work).signal == signal.SIGTERM
    assert not issubclass(Interrupted, Exception)


def test_a_full_disk_is_told_and_another_error_is_ours(errand):
    def fail(number):
        raise OSError(number, os.strerror(number))

    assert "No space left on device; make room there" in errand(lambda: fail(errno.ENOSPC)).refused
    with pytest.raises(OSError, match="Bad file"):
        errand(lambda: fail(errno.EBADF))


def test_a_lost_terminal_stops_all_but_what_nohup_began(errand, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert asked() == 0
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with listening() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert asked() == signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_many_say_needs_no_standard_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with Progress(1) as progress:
        assert not progress.live
    Bar("da", 10).close()


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_on_a_narrow_terminal_bar_and_lines_are_whole(tmp_path):
    console = Console(
        file=io.StringIO(), force_terminal=True, no_color=True, color_system=None, width=60, soft_wrap=True
    )
    board = Board(console, live=True)
    board.advance(board.add_task("", total=20), 7)
    told = "d[/x]a/seed-0: epoch 12/60, validation 93.10%, ce 0.123, kd 0.456, 45,933 images/s, 0:01:00 left"
    board.lines[Task(print, "a", tmp_path)] = told
    with console.capture() as seen:
        console.print(board.get_renderable())
    bar, line = seen.get().splitlines()[:2]
    assert "7/20 runs" in bar
    assert "0:00:00" in bar
    assert line.startswith("d[/x]a/seed-0: epoch 12/60, validation 93.10%")
    assert line.rstrip().endswith("…")


def test_a_line_names_method_and_seed(tmp_path, monkeypatch):
    progress, log = Progress(1), tmp_path / ".log"
    monkeypatch.setattr(progress, "live", True)
    task = Task(print, "/long/way/to/da/seed-3", log)
    progress.begin(task)
    log.write_text("da: epoch 1/2, validation 9.00%\n")
    progress.look()
    assert [*progress.bar.lines.values()] == ["da/seed-3: epoch 1/2, validation 9.00%"]
    assert progress.came_on(task)


def test_what_the_user_was_told_is_not_told_again(tmp_path):
    work = Errand(
        lambda: say_once("images are mirrored"), tmp_path / ".log", 1, told=frozenset({"images are mirrored"})
    )
    work()
    Errand(lambda: say_once("images are cropped"), tmp_path / ".log", 1)()
    assert (tmp_path / ".log").read_text() == "images are cropped\n"
