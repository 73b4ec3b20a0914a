"""Things out of a user's file: dataclasses and neighbours work there, mistakes are told, and nothing stays behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sparring.errors import UserError
from sparring.userfile import named

FILE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
import neighbour

@dataclass
class Row:
    width: int = neighbour.WIDTH

row = Row()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WIDTH = 3")
    (tmp_path / "mine.py").write_text(FILE)
    sys.modules.pop("neighbour", None)
    return tmp_path / "mine.py"


def test_a_file_may_hold_dataclasses_and_import_its_neighbours(file: Path) -> None:
    before = list(sys.path)
    assert named(file, "row").width == 3
    assert sys.modules[named(file, "Row").__module__].__file__ == str(file)
    assert sys.path == before


def test_two_files_of_one_name_are_two_modules(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.py").write_text("class Row: ...")
    assert named(file, "Row").__module__ != named(tmp_path / "other" / "mine.py", "Row").__module__


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rwo", FILE, r"mine\.py has no 'rwo'\. Did you mean 'row'\?"),
        ("zzz", FILE, r"has no 'zzz'\. Known: Row, row\.$"),
        ("zzz", "import os", r"has no 'zzz'\. It defines nothing\."),
        ("row", "row = 1 / 0", r"mine\.py could not be run: ZeroDivisionError: division by zero; mend the file"),
        ("row", "def f(:", r"could not be run: SyntaxError"),
    ],
)
def test_mistakes_are_told(name: str, text: str, told: str, file: Path) -> None:
    file.write_text(text)
    before = set(sys.modules)
    with pytest.raises(UserError, match=told):
        named(file, name)
    assert not [left for left in set(sys.modules) - before if "user" in left and "could not" in told]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the Python file .*none\.py does not exist; give path/to/file\.py:name"):
        named(tmp_path / "none.py", "f")
