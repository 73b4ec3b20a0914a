"""The climb on the input: what it moves, what it does not, and that its Adam is Adam."""

from __future__ import annotations

import pytest
import torch

from sparring.parts.ascend import STEPS, adam, ascend, plain, sign


def bowl(x: torch.Tensor) -> torch.Tensor:
    return -(x - 1).square().sum()


def test_its_adam_is_torchs_over_many_steps() -> None:
    start = torch.linspace(-2, 2, 7, dtype=torch.float64)
    ours = ascend(start, bowl, adam(0.03), 25)
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.03)
    for _ in range(25):
        optimizer.zero_grad()
        (-bowl(theirs)).backward()
        optimizer.step()
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-12, rtol=0)


def test_adams_eps_damps_tiny_gradients() -> None:
    tiny = torch.tensor([1e-9, 1e-8, 1e-6], dtype=torch.float64)
    moved = ascend(torch.zeros(3, dtype=torch.float64), lambda x: (tiny * x).sum(), adam(1.0), 1)
    torch.testing.assert_close(moved, tiny / (tiny + 1e-8), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", STEPS)
def test_every_step_climbs_and_fills_no_parameter_gradient(name: str) -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    start = torch.zeros(2)
    moved = ascend(start, lambda x: (weight * x).sum(), STEPS[name](0.1), 3)
    assert float((weight * moved).sum().detach()) > 0
    assert weight.grad is None
    assert not moved.requires_grad
    assert torch.equal(start, torch.zeros(2))


def test_plain_and_sign_in_numbers() -> None:
    climb = torch.tensor([3.0, -0.5])
    assert torch.allclose(
        ascend(torch.zeros(2), lambda x: (climb * x).sum(), plain(0.1), 1), torch.tensor([0.3, -0.05])
    )
    assert torch.allclose(ascend(torch.zeros(2), lambda x: (climb * x).sum(), sign(0.1), 2), torch.tensor([0.2, -0.2]))


def test_no_steps_is_no_move_and_negative_is_refused() -> None:
    assert torch.equal(ascend(torch.ones(2), bowl, sign(1.0), 0), torch.ones(2))
    with pytest.raises(ValueError, match="steps is -1"):
        ascend(torch.ones(2), bowl, sign(1.0), -1)
