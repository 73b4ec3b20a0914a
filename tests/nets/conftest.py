"""A Python file with networks."""

import pytest
from made import NET


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(NET)
    return tmp_path / "mine.py"
