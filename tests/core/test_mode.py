"""A mode on loan."""

from __future__ import annotations

import pytest
from torch import nn

from sparring.core.mode import mode


@pytest.mark.parametrize("training", [True, False])
def test_each_module_gets_its_own_mode_back_even_after_an_error(training: bool) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2).eval(), nn.Dropout()))
    before = [module.training for module in net.modules()]
    assert len(set(before)) == 2

    def failing() -> None:
        with mode(net, training=training):
            assert {module.training for module in net.modules()} == {training}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert [module.training for module in net.modules()] == before
