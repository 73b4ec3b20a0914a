"""Which memory layout a network gets where nobody chose one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sparring.core import Network
from sparring.engine import Compute
from sparring.recipes import config
from sparring.recipes.build import precision


@pytest.mark.parametrize(
    ("shortcut", "last"),
    [(nn.Conv2d(4, 8, 1, 2), False), (nn.Conv2d(8, 8, 1, 2), True), (nn.Conv2d(4, 8, 1), True)],
)
def test_a_layer_that_corrupts_memory_channels_last_keeps_the_network_from_it(shortcut: nn.Conv2d, last: bool) -> None:
    """oneDNN's backward of a strided 1 × 1 convolution of fewer than 8 channels writes past its memory on AVX2."""
    net = Network(nn.Sequential(nn.Conv2d(3, shortcut.in_channels, 3), shortcut))
    told = config.make({"data": "digits", "student": "mlp-16"})
    assert precision(told, Compute(torch.device("cpu")), net)[1] is last
    told = told.model_copy(update={"channels_last": True})
    assert precision(told, Compute(torch.device("cpu")), net)[1] is True
