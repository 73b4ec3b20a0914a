"""One trained teacher and one search for all tests of this room."""

import pytest
from runs import configured
from searches import searched

from sparring.launch.trials import work
from sparring.recipes.run import run


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The folder of a perceptron trained on the digits."""
    out = tmp_path_factory.mktemp("teacher") / "mlp-32"
    run(configured(student="mlp-32", epochs=4), out)
    return out


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A search that ran in one go. Nobody writes there."""
    search = searched(tmp_path_factory.mktemp("whole") / "sweep")
    work(search)
    return search
