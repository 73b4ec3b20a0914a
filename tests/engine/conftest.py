"""The helpers of the recipes' tests, which train real runs, are used here too."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

from runs import configured

from sparring.recipes.run import run


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The folder of a perceptron trained on the digits."""
    out = tmp_path_factory.mktemp("teacher") / "mlp-32"
    run(configured(student="mlp-32", epochs=4), out)
    return out


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A file with a small convolutional network with batch normalisation, smooth so that rounding stays small: at
    a ReLU's kink, and at a max pool's ties on the digits' flat background, rounding decides where the gradient goes."""
    source = tmp_path_factory.mktemp("nets") / "tiny.py"
    source.write_text(
        "from torch import nn\n\n"
        "def conv(classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.GELU(), nn.AvgPool2d(2),\n"
        "        nn.Conv2d(6, 8, 2), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(), nn.Linear(32, classes))\n"
    )
    return f"{source}:conv"
