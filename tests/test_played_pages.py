"""Pages that are followed from their first line to the last: their files are written, their commands are run."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparring.cli import main

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
VERDICT = re.compile(r"^- (\w+ (?:helps|hurts)|Cannot tell whether \w+ helps)", re.MULTILINE)


def steps(page: str) -> Iterator[tuple[str, str]]:
    """A page's steps in order: ("file", its text) of a file, ("command", the line) and ("shown", what it printed)."""
    for kind, text in BLOCK.findall((DOCS / page).read_text()):
        if kind == "python":
            yield "file", text
            continue
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            yield "command", command
            yield "shown", shown


def play(page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Follow a page in the current folder; returns all that its commands printed. Each line that the page shows must
    begin as one that was printed does, and each verdict must be the printed one."""
    everything, printed = "", ""
    for kind, text in steps(page):
        words = shlex.split(text) if kind == "command" else []
        if kind == "file":
            Path(text.partition(":")[0].removeprefix("# ")).write_text(text)
        elif kind == "shown":
            begins = {line.split()[0] for line in printed.splitlines() if line.strip()}
            for line in filter(str.strip, text.splitlines()):
                assert line.split()[0] in begins, f"{page} shows {line!r}, and what was printed is:\n{printed}"
            assert set(VERDICT.findall(text)) <= set(VERDICT.findall(printed))
        elif words[0] == "sparring":
            monkeypatch.setattr(sys, "argv", words)
            main()
            printed = capsys.readouterr().out
        elif words[0] == "python" and words[1].endswith(".py"):
            runpy.run_path(words[1], run_name="__main__")
            printed = capsys.readouterr().out
        else:
            assert words[0] in ("python3", "pip"), f"{page} has a command that no test knows: {text}"
        everything += printed if kind == "command" else ""
    return everything


@pytest.mark.slow
def test_five_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = play("start.md", capsys, monkeypatch)
    assert "kd helps" in printed
    assert "accuracy     0." in printed
    folder = tmp_path / "runs" / "first" / "kd" / "kd" / "seed-0"
    told = re.findall(r"^\| `([\w.]+)/?`", (DOCS / "start.md").read_text(), re.MULTILINE)
    assert len(told) == 6
    assert not [name for name in told if not (folder / name).exists()]


@pytest.mark.slow
def test_your_own_model_and_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    printed = play("your-own.md", capsys, monkeypatch)
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    assert "teacher_normalise=half" in printed
    assert "it sees a 0" in printed
    assert (tmp_path / "runs" / "mine" / "report.html").exists()


def test_the_first_page_shows_what_the_worked_example_does() -> None:
    shown = [text for kind, text in steps("index.md") if kind == "shown"]
    there = (DOCS / "your-own.md").read_text()
    assert shown
    assert all(text in there for text in shown)
