"""Warps, shifts, noise and erasing against what their words say, image by image."""

from math import cos, pi, sin

import pytest
import torch

from sparring.data import spoil, warp


def images(count=6, height=32, width=32, channels=3):
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_warp_that_changes_nothing_and_quarter_turns():
    x = images(2, 5, 5) / 255
    numbers = torch.tensor([[1.0, 0, 0, 0, 1, 0], [0, 1, 0, -1, 0, 0]])
    seen = warp.warp(x, numbers)
    torch.testing.assert_close(seen[0], x[0])
    torch.testing.assert_close(seen[1], x[1].rot90(-1, (1, 2)))  # clockwise


def test_a_warp_follows_the_convention_of_the_sheet():
    row = torch.tensor([0.0, 1, 2, 3]).view(1, 1, 1, 4).expand(1, 1, 4, 4)
    right = warp.warped(row, torch.tensor([[1.0, 0, 1, 0, 1, 0]]))  # shows what lay one pixel to the right
    assert right[0, 0, 0].tolist() == pytest.approx([1, 2, 3, 0])


def test_placed_undoes_shear_turn_scale_and_move():
    angle, scale, shear, right, down = 0.3, 1.2, -0.2, 2.0, -1.0
    numbers = warp.placed(*(torch.tensor([v]) for v in (angle, scale, shear, right, down)))[0].tolist()
    x, y = 3.0, -4.0
    u = x - torch.tensor(shear).tan().item() * y
    u, v = scale * (cos(angle) * u - sin(angle) * y) + right, scale * (sin(angle) * u + cos(angle) * y) + down
    a, b, c, d, e, f = numbers
    assert (a * u + b * v + c, d * u + e * v + f) == pytest.approx((x, y), abs=1e-5)


def test_rotations_and_affines_have_the_published_ranges():
    a, b, c, d, e, f = warp.draw_rotate(20_000, (3, 32, 32), chance()).T
    assert torch.atan2(b, a).abs().max().item() == pytest.approx(15 * pi / 180, rel=1e-3)
    assert (c == 0).all()
    assert (f == 0).all()
    a, b, c, d, e, f = warp.draw_affine(20_000, (3, 20, 40), chance()).T
    scale = (d * d + e * e).rsqrt()
    assert pytest.approx((scale.min().item(), scale.max().item()), rel=1e-3) == (0.8, 1.2)
    angle = torch.atan2(-d, e)
    assert (-pi / 6, pi / 6) == pytest.approx((angle.min().item(), angle.max().item()), rel=1e-2)
    lean = (a * d + b * e) * scale * scale  # tan(shear)
    assert torch.atan(lean).abs().max().item() == pytest.approx(15 * pi / 180, rel=1e-2)
    det = a * e - b * d
    right, down = (-c * e + b * f) / det, (-a * f + c * d) / det
    assert right.abs().max().item() == pytest.approx(8, rel=1e-2)
    assert down.abs().max().item() == pytest.approx(4, rel=1e-2)


@pytest.mark.parametrize(("draw", "apply", "offsets"), [
    (warp.draw_diagonal, warp.shift3, {-3, 3}),
    (warp.draw_shift, warp.shift2, {-2, -1, 0, 1, 2}),
])  # fmt: skip
def test_shifts_are_whole_pixels_on_black(draw, apply, offsets):
    x = images(200, 8, 10)
    start = draw(len(x), (3, 8, 10), chance())
    border = max(offsets)
    seen = {tuple(pair) for pair in (border - start).tolist()}
    assert seen == {(down, right) for down in offsets for right in offsets}
    for image, (down, right), moved in zip(x, (border - start).tolist(), apply(x, start), strict=True):
        wanted = torch.zeros_like(image)
        wanted[:, max(down, 0) : 8 + down, max(right, 0) : 10 + right] = image[
            :, max(-down, 0) : 8 - down, max(-right, 0) : 10 - right
        ]
        assert torch.equal(moved, wanted)


def test_noise_has_its_sigma_and_each_channel_its_own():
    x = torch.full((50, 3, 16, 16), 0.5)
    added = spoil.noise(x, spoil.draw_noise(50, (3, 16, 16), chance())) - 0.5
    assert added.std().item() == pytest.approx(0.1, rel=0.02)
    assert abs(torch.corrcoef(added.transpose(0, 1).flatten(1))[0, 1]) < 0.03


def test_boxes_to_erase_are_torchvisions():
    top, left, tall, wide = spoil.draw_erase(100_000, (3, 32, 32), chance()).T
    some = tall > 0
    assert some.float().mean().item() == pytest.approx(0.1, rel=0.05)
    area, aspect = (tall * wide)[some] / 32**2, (tall / wide)[some]
    assert 0.015 < area.min() < 0.03
    assert 0.3 < area.max() < 0.36
    assert aspect.min() < 0.4
    assert aspect.max() > 2.5
    assert (top + tall)[some].max() == 32
    assert (left + wide)[some].max() == 32
    assert top[some].min() == left[some].min() == 0


def test_erasing_blackens_the_box_alone():
    x = images(4).clamp(min=1)
    box = torch.tensor([[0, 0, 0, 0], [3, 5, 7, 9], [31, 0, 1, 4], [0, 0, 0, 8]])
    for image, (top, left, tall, wide), seen in zip(x, box.tolist(), spoil.erase(x, box), strict=True):
        wanted = image.clone()
        wanted[:, top : top + tall, left : left + wide] = 0
        assert torch.equal(seen, wanted)
