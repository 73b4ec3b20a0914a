"""TrivialAugment's and AugMix's operations against Pillow and torchvision, image by image, and what is drawn."""

import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from sparring.data import policies as P
from sparring.data.operations import NUMBER, OPERATIONS, blended, looked_up, operated
from sparring.data.warp import warped

STILL = torch.tensor([[1.0, 0, 0, 0, 1, 0]])


def images(count=14, side=16, channels=3):
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(20, 200, (count, channels, side, side), dtype=torch.uint8, generator=generator)
    x[1] = 77  # flat: nothing to stretch or to equalise
    return x


def alone(x, name, strength=0.0):
    """Every image after the one operation."""
    which, strengths = torch.full((len(x),), NUMBER[name]), torch.full((len(x),), strength)
    return operated(x, which, strengths, STILL.expand(len(x), 6), "nearest")


PILLOW = {
    "brightness": lambda image, f: ImageEnhance.Brightness(image).enhance(f),
    "colour": lambda image, f: ImageEnhance.Color(image).enhance(f),
    "contrast": lambda image, f: ImageEnhance.Contrast(image).enhance(f),
    "sharpness": lambda image, f: ImageEnhance.Sharpness(image).enhance(f),
    "posterize": lambda image, bits: ImageOps.posterize(image, bits),
    "solarize": lambda image, threshold: ImageOps.solarize(image, threshold),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
}
CASES = [(name, f) for name in ("brightness", "colour", "contrast", "sharpness") for f in (0.01, 0.6, 1.4, 1.99)]
CASES += [
    ("posterize", 2),
    ("posterize", 5),
    ("solarize", 0),
    ("solarize", 128),
    ("autocontrast", 0),
    ("equalize", 0),
    ("invert", 0),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "strength"), CASES)
def test_an_operation_is_pillows(name, strength, channels):
    x = images(6, channels=channels)
    exact = name in ("posterize", "solarize", "equalize", "invert")
    for image, seen in zip(x, alone(x, name, float(strength)), strict=True):
        before = Image.fromarray(image.permute(1, 2, 0).numpy() if channels == 3 else image[0].numpy())
        after = torch.frombuffer(bytearray(PILLOW[name](before, strength).tobytes()), dtype=torch.uint8)
        wanted = after.view(16, 16, channels).permute(2, 0, 1)
        assert (seen.int() - wanted.int()).abs().max() <= (0 if exact else 1)


def test_every_image_has_its_own_operation_and_the_others_nothing_of_it():
    x = images(len(OPERATIONS))
    which = torch.arange(len(OPERATIONS))
    strength = torch.full((len(OPERATIONS),), 1.7)
    together = operated(x, which, strength, STILL.expand(len(x), 6), "bilinear")
    assert torch.equal(together[0], x[0])
    for number in which.tolist():
        assert torch.equal(together[number], alone(x, OPERATIONS[number], 1.7)[number])


def test_warps_shear_from_the_corner_and_move_by_pixels():
    which = torch.tensor([NUMBER[name] for name in ("identity", "shear-x", "translate-y", "rotate")])
    spans = {key: torch.full((4,), value) for key, value in {"shear": 1.0, "x": 3.0, "y": 3.0, "turn": 90.0}.items()}
    warps = P._warps(which, spans, (1, 8, 8))
    x = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).repeat(4, 1, 1, 1)
    seen = operated(x, which, torch.ones(4), warps, "bilinear")
    assert torch.equal(seen[0], x[0])
    assert seen[1, 0, 1, :6].tolist() == [10, 10, 12, 12, 14, 14]  # 1.5 to the right, halves rounded to even
    assert torch.equal(seen[2, 0, :5], x[2, 0, 3:])
    assert not seen[2, 0, 5:].any()
    assert torch.equal(seen[3, 0], x[3, 0].rot90(-1))


def test_trivial_draws_from_the_wide_space():
    drawn = P.draw_trivial(40_000, (3, 32, 32), torch.Generator().manual_seed(0))
    which, strength = drawn[:, 0], drawn[:, 1]
    assert (which.long().bincount(minlength=14) > 40_000 / 14 * 0.9).all()
    span = {name: strength[which == NUMBER[name]] for name in ("brightness", "posterize", "solarize")}
    assert (span["brightness"].min().item(), span["brightness"].max().item()) == pytest.approx((0.01, 1.99))
    assert set(span["posterize"].tolist()) == {2, 3, 4, 5, 6, 7, 8}
    assert (span["solarize"].min().item(), span["solarize"].max().item()) == (0, 255)
    assert len(span["solarize"].unique()) == 31
    moved = drawn[which == NUMBER["translate-x"]][:, 4]
    assert set(moved.abs().tolist()) == {int(32 * k / 30) for k in range(31)}
    assert drawn[which == NUMBER["shear-y"]][:, 5].max().item() == pytest.approx(0.99)
    assert torch.acos(drawn[which == NUMBER["rotate"]][:, 2].clamp(-1, 1)).max().rad2deg().item() == pytest.approx(135)


def test_augmix_draws_chains_and_weights():
    drawn = P.draw_augmix(4000, (3, 30, 30), torch.Generator().manual_seed(0))
    steps, weights = drawn[:, :-4].view(4000, 3, 3, 8), drawn[:, -4:-1]
    assert set(steps[..., 0].unique().long().tolist()) == {0, *P.MIXED}
    depth = (steps[..., 0] > 0).sum(2)
    assert [(depth == n).float().mean().item() for n in (1, 2, 3)] == pytest.approx([1 / 3] * 3, abs=0.02)
    assert ((steps[..., 0] > 0).int().diff(dim=2) <= 0).all()  # what is over stays over
    torch.testing.assert_close(weights.sum(1), torch.ones(4000))
    assert weights.var(0).tolist() == pytest.approx([1 / 18] * 3, rel=0.05)  # Dirichlet(1, 1, 1)
    assert drawn[:, -1].var().item() == pytest.approx(1 / 12, rel=0.05)
    assert steps[steps[..., 0] == NUMBER["translate-x"]][:, 4].abs().max() == 2  # int(10 * 0.3) or less
    assert steps[steps[..., 0] == NUMBER["shear-x"]][:, 3].abs().max().item() == pytest.approx(0.09, rel=0.01)


def test_augmix_mixes_the_image_with_its_chains():
    x = images(3)
    drawn = P.draw_augmix(3, (3, 16, 16), torch.Generator().manual_seed(0))
    drawn[0, -1] = 0
    drawn[1, :-4].view(9, 8)[:, 0] = 0
    drawn[1, :-4].view(9, 8)[:, 2:] = STILL
    drawn[2, -4:] = torch.tensor([0.0, 1.0, 0.0, 1.0])  # the second chain alone
    seen, plain = P.augmix(x, drawn), x / 255
    torch.testing.assert_close(seen[:2], plain[:2])
    chain = x[2:]
    for step in drawn[2, :-4].view(3, 3, 8)[1]:
        chain = operated(chain, step[:1], step[1:2], step[None, 2:], "bilinear")
    torch.testing.assert_close(seen[2:], chain / 255)
    assert not torch.equal(chain, x[2:])


def test_passes_over_all_images_are_those_over_the_ones_concerned():
    x = images(14)
    which, strength = torch.arange(14), torch.full((14,), 3.0)
    seen = operated(x, which, strength, STILL.expand(14, 6), "nearest")
    every = blended(looked_up(x, which, strength), which, strength)  # as on another device
    assert torch.equal(seen, warped(every, STILL.expand(14, 6), "nearest").to(torch.uint8))


def test_auto_draws_the_pairs_of_the_policy_with_their_chances_and_levels():
    assert len(P.POLICY) == 25
    assert all(len(pair) == 2 for pair in P.POLICY)
    drawn = P.draw_auto(50_000, (3, 32, 32), torch.Generator().manual_seed(0))
    first, second = drawn[:, 0].long(), drawn[:, 8].long()
    share = [(first == NUMBER[name]).float().mean().item() for name in OPERATIONS]
    wanted = torch.zeros(len(OPERATIONS))
    for (number, chance, _), _ in P.POLICY:
        wanted[number] += chance / 25
        wanted[NUMBER["identity"]] += (1 - chance) / 25
    assert torch.tensor(share).sub(wanted).abs().max() < 0.01
    assert set(drawn[second == NUMBER["posterize"], 9].tolist()) == {5.0}  # level 7 of 10: 8 - round(3.1)
    moved = drawn[first == NUMBER["translate-y"], 7].abs()  # levels 3, 9 and 9: 150 / 331 of the side times the level
    assert set(moved.tolist()) == {4.0, 14.0}


def test_auto_brings_in_grey_where_it_moves_pixels():
    x = images(2)
    drawn = torch.zeros(2, 16)
    drawn[:, 0], drawn[:, 2], drawn[:, 6], drawn[:, 10], drawn[:, 14] = NUMBER["translate-y"], 1, 1, 1, 1
    drawn[:, 7] = 3.0
    seen = P.auto(x, drawn)
    assert torch.equal(seen[:, :, :-3], x[:, :, 3:])
    assert (seen[:, :, -3:] == 128).all()


@pytest.mark.parametrize("draw", [P.draw_auto, P.draw_augmix])
def test_tables_are_copied_to_a_device_once(draw, monkeypatch):
    first = draw(8, (3, 16, 16), torch.Generator().manual_seed(0))
    copied = []
    monkeypatch.setattr(P.torch, "tensor", lambda *args, **_: copied.append(args))
    assert torch.equal(draw(8, (3, 16, 16), torch.Generator().manual_seed(0)), first)
    assert not copied
