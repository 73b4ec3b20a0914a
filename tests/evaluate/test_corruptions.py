"""Corruptions: each image's own chance, the source's levels, and what cannot be made said by name."""

import pytest
import torch

from sparring.core import Batch, Network, UserError
from sparring.evaluate.corruptions import (
    CLEAN,
    CORRUPTIONS,
    benchmark,
    blur,
    corrupted,
    corruption_accuracies,
    severities,
    tones,
    translate,
    unfit,
    warp,
)
from sparring.evaluate.corruptions.smooth import gaussian

ROWS = torch.arange(40)
SHAPES = ((1, 12, 12), (3, 16, 16))


def images(shape=(1, 28, 28), count=40):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


def test_translate_moves_each_image_along_one_diagonal():
    x = torch.zeros(40, 1, 28, 28)
    x[:, :, 14, 14] = 1
    for severity in (1, 3, 5):
        at = translate(x, severity, rows=ROWS)[:, 0].nonzero()[:, 1:] - 14
        assert len(at) == 40
        assert (at.abs() == severity).all()
        assert len(at.unique(dim=0)) == 4  # all four directions
    assert translate(torch.ones(1, 1, 28, 28), 3, rows=ROWS[:1]).sum() == 25 * 25  # what is uncovered is black


def test_an_image_is_corrupted_alike_in_whatever_batch():
    for shape in SHAPES:
        x, kind = images(shape, 4), benchmark(shape)
        for name in CORRUPTIONS:
            for severity in severities(name, kind)[-1:]:
                if unfit(name, kind, severity) is None:
                    some = torch.tensor([3, 1])
                    alone = corrupted(x[some], name, severity, rows=ROWS[some])
                    torch.testing.assert_close(alone, corrupted(x, name, severity, rows=ROWS[:4])[some], msg=name)


def test_another_row_or_severity_draws_anew():
    x = torch.full((2, 1, 28, 28), 0.5)
    seen = corrupted(x, "impulse_noise", 5, rows=torch.tensor([0, 1]))
    assert not seen[0].equal(seen[1])
    dot = torch.zeros(40, 1, 28, 28)
    dot[:, :, 14, 14] = 1
    ways = [(translate(dot, severity, rows=ROWS)[:, 0].nonzero()[:, 1:] - 14).sign() for severity in (1, 2)]
    assert not ways[0].equal(ways[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_is_made_is_an_image(shape):
    x, kind = images(shape, 4), benchmark(shape)
    for name in CORRUPTIONS:
        for severity in severities(name, kind):
            if unfit(name, kind, severity) is None:
                seen = corrupted(x, name, severity, rows=ROWS[:4])
                assert seen.shape == x.shape
                assert seen.dtype == x.dtype
                assert seen.isfinite().all(), name
                assert 0 <= seen.min() <= seen.max() <= 1, name
                assert not seen.equal(x) or name in ("elastic_transform", "pixelate", "glass_blur"), name


def test_turning_scaling_and_shearing_are_about_the_middle():
    x = torch.zeros(1, 1, 29, 29)
    x[:, :, 14, 20] = 1  # six to the right of the middle
    assert corrupted(x, "scale", 5, rows=ROWS[:1])[0, 0, 14, 17] > 0.9
    turned = corrupted(x, "rotate", 5, rows=ROWS[:1])[0, 0]
    row, column = divmod(int(turned.argmax()), 29)
    assert (abs(row - 14), column - 14) == (5, 3)  # six pixels, a radian up or down
    dot = torch.zeros(1, 1, 29, 29)
    dot[:, :, 14, 14] = 1
    assert corrupted(dot, "shear", 3, rows=ROWS[:1])[0, 0, 14, 14] > 0.9


def test_blurs_against_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    x = images((3, 20, 24), 2)
    for sigma in (0.4, 2.0, 9.0):
        for mirrored, mode in ((False, "nearest"), (True, "reflect")):
            ours = gaussian(x.double(), sigma, mirrored=mirrored)
            theirs = ndimage.gaussian_filter(x.double().numpy(), (0, 0, sigma, sigma), mode=mode)
            torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-12, rtol=0)
    larger = ndimage.zoom(x[0, 0, 2:18, 2:22].numpy(), 1.25, order=1)[:, :24].copy()
    torch.testing.assert_close(blur.enlarged(x, 1.25)[0, 0], torch.from_numpy(larger), atol=1e-5, rtol=0)


def test_motion_smears_to_one_side_and_keeps_the_light():
    x = torch.zeros(1, 1, 31, 31)
    x[:, :, 15, 15] = 1
    seen = blur.dragged(x, torch.zeros(1), 5, 2)[0, 0]
    assert seen[15, 15] > seen[15, 14] > seen[15, 12] > 0
    assert seen[15, 16:].sum() == 0 == seen[14].sum()
    assert seen.sum() == pytest.approx(1, abs=0.02)


def test_tones_against_the_colour_wheel():
    colorsys = pytest.importorskip("colorsys")
    x = images((3, 2, 2), 1)
    x[0, :, 0, 0] = 0.3  # grey
    for ours, change in (
        (tones.saturate(x, None, 2.0, 0.1), lambda h, s, v: (h, min(1, s * 2 + 0.1), v)),
        (tones.brightness(x, None, 0.3), lambda h, s, v: (h, s, min(1, v + 0.3))),
    ):
        for row in range(2):
            for column in range(2):
                want = colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*x[0, :, row, column].tolist())))
                torch.testing.assert_close(ours[0, :, row, column], torch.tensor(want), atol=1e-6, rtol=0)


def test_severe_is_worse():
    x = images((3, 32, 32), 8)
    for name in ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "contrast", "gaussian_blur", "fog"):
        far = [(corrupted(x, name, severity, rows=ROWS[:8]) - x).abs().mean() for severity in (1, 3, 5)]
        assert far[0] < far[1] < far[2], name


def test_a_network_is_scored_on_the_corrupted_images():
    class Bright(torch.nn.Module):
        def forward(self, x):
            light = x.mean((1, 2, 3))
            return torch.stack([0.5 - light, light - 0.5], 1)

    x = torch.zeros(6, 1, 28, 28)
    batches = [Batch(x[:4], torch.zeros(4, dtype=torch.long), torch.arange(4))]
    batches += [Batch(x[4:], torch.zeros(2, dtype=torch.long), torch.arange(4, 6))]
    found = corruption_accuracies(Network(Bright()).train(), batches, [("brightness", 5), ("stripe", 0), ("fog", 1)])
    assert found[CLEAN] == 1
    assert found["stripe", 0] == 1  # half the pixels white: no more than 0.5
    assert set(found) == {CLEAN, ("brightness", 5), ("stripe", 0), ("fog", 1)}
    with pytest.raises(UserError, match="no images"):
        corruption_accuracies(Network(Bright()), [], [])


def test_refusals_name_what_is_wrong():
    x = images()
    with pytest.raises(UserError, match=r"no corruption 'translat'.*'translate'"):
        corrupted(x, "translat", 1, rows=ROWS)
    for severity in (0, 6):
        with pytest.raises(UserError, match="no severity"):
            corrupted(x, "shear", severity, rows=ROWS)
        with pytest.raises(UserError, match="no severity"):
            translate(x, severity, rows=ROWS)
    with pytest.raises(UserError, match="needs colour"):
        corrupted(x, "saturate", 1, rows=ROWS)
    with pytest.raises(UserError, match="2 channels"):
        corrupted(x.expand(40, 2, 28, 28), "shear", 1, rows=ROWS)


def test_what_is_not_installed_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr("sparring.evaluate.corruptions.extra.missing", lambda module: True)
    for name, x in (("canny_edges", images()), ("frost", images((3, 32, 32))), ("spatter", images((3, 32, 32)))):
        with pytest.raises(UserError, match=rf"{name} needs .*pip install 'sparring\[corruptions\]'"):
            corrupted(x, name, 1, rows=ROWS)
    assert unfit("spatter", benchmark((3, 32, 32)), 4) is None


def test_the_shift_is_the_one_of_the_table():
    assert translate(images(), 4, rows=ROWS).equal(corrupted(images(), "translate", 4, rows=ROWS))
    assert warp.SHIFTS == (1, 2, 3, 4, 5)
