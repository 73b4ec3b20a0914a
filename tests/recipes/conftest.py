"""One trained teacher for all tests of this room."""

import pytest
from runs import configured

from sparring.recipes.run import run


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The folder of a perceptron trained on the digits."""
    out = tmp_path_factory.mktemp("teacher") / "mlp-32"
    run(configured(student="mlp-32", epochs=4), out)
    return out
