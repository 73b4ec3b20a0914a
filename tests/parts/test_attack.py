"""Attacks: the worked example, the ball and the box, what climbs and what is kept."""

from __future__ import annotations

import pytest
import torch

from sparring.parts.attack import Ball, fooling, length, margin, pgd

X = torch.tensor([0.5, 0.02, 0.99]).view(1, 1, 1, 3)
SLOPE = torch.tensor([1.0, -2.0, 3.0]).view(1, 1, 1, 3)


def slope(x: torch.Tensor) -> torch.Tensor:
    return (x * SLOPE).flatten(1).sum(1)


def images(count: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_step_of_the_sheet() -> None:
    ball = Ball(8 / 255)
    begun = ball.onto(X + torch.tensor([0.01, -0.03, 0.02]).view(1, 1, 1, 3), X)
    torch.testing.assert_close(begun.flatten(), torch.tensor([0.51, 0.0, 1.0]))
    end = ball.onto(pgd(begun, slope, Ball(1.0), size=2 / 255, steps=1, start="none"), X)
    torch.testing.assert_close(end.flatten(), torch.tensor([0.517843, 0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("start", ["uniform", "gaussian", "none"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("keep", ["last", "best"])
def test_images_stay_in_the_ball_and_the_box(norm, start, keep) -> None:
    x, eps = images(), 0.1
    moved = pgd(x, slope_of(x), Ball(eps, norm), size=0.06, steps=5, start=start, keep=keep)
    away = moved - x
    far = away.abs().amax() if norm == "linf" else length(away).amax()
    assert 0.5 * eps < far <= eps + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert not moved.requires_grad


def slope_of(x: torch.Tensor):
    way = torch.randn(x[0].numel(), generator=torch.Generator().manual_seed(1))
    return lambda z: z.flatten(1) @ way


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_ball_of_nothing_leaves_images_alone(norm) -> None:
    x = images()
    assert torch.equal(pgd(x, slope_of(x), Ball(0.0, norm), size=0.1, steps=3), x)


def test_uniform_starts_fill_the_l2_ball() -> None:
    middle = torch.full((2000, 3, 4, 4), 0.5)
    torch.manual_seed(0)
    shares = (length(Ball(0.2, "l2").start(middle, "uniform") - middle) / 0.2).flatten() ** 48  # uniform in [0, 1]
    assert abs(float(shares.mean()) - 0.5) < 0.03
    assert abs(float(shares.std()) - 12**-0.5) < 0.03


def test_the_best_of_each_image_is_kept() -> None:
    peak = torch.tensor([0.53, 0.59]).view(2, 1, 1, 1)
    x = torch.full((2, 1, 1, 1), 0.5)

    def hill(z):
        return -(z - peak).flatten(1).abs().sum(1)

    best = pgd(x, hill, Ball(0.1), size=0.05, steps=4, start="none", keep="best")
    torch.testing.assert_close(best.flatten(), torch.tensor([0.55, 0.6]))
    last = pgd(x, hill, Ball(0.1), size=0.05, steps=4, start="none")
    assert (hill(best) >= hill(last)).all()


def test_l2_steps_have_their_length() -> None:
    middle = torch.full((4, 3, 4, 4), 0.5)
    moved = pgd(middle, slope_of(middle), Ball(1.0, "l2"), size=0.03, steps=2, start="none")
    torch.testing.assert_close(length(moved - middle).flatten(), torch.full((4,), 0.06))


def test_margin_is_above_nothing_where_a_row_is_wrong() -> None:
    logits, y = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.5, 3.0]]), torch.tensor([0, 1])
    torch.testing.assert_close(margin(logits, y), torch.tensor([-1.0, 2.5]))


@pytest.mark.parametrize("kind", ["ce", "margin"])
def test_a_linear_model_is_fooled_where_its_margin_is_too_small(kind) -> None:
    """Of two classes with the logits ± f the worst image in the ball is known: f falls by eps times the l1 norm."""
    x = 0.3 + 0.4 * images(200)
    way = torch.randn(48, generator=torch.Generator().manual_seed(2))
    away = x.flatten(1) @ way - (x.flatten(1) @ way).median()

    def ask(z):
        f = z.flatten(1) @ way - (x.flatten(1) @ way).median()
        return torch.stack([-f, f], dim=1)

    y, eps = (away > 0).long(), 0.05
    moved = pgd(x, fooling(ask, y, y, kind), Ball(eps), size=eps / 4, steps=20)
    right = ask(moved).argmax(1) == y
    assert torch.equal(right, away.abs() > eps * way.abs().sum())
    assert 0 < right.sum() < len(x)
