"""Every batched augmentation against a loop over images that anyone can read."""

import math

import pytest
import torch

from sparring.core import UserError
from sparring.data import augment as A
from sparring.data import load
from sparring.data.dataset import usual_augmentation
from sparring.data.load import KNOWN


def images(count=6, height=32, width=32, channels=3):
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)


@pytest.mark.parametrize(("height", "width", "pad"), [(32, 32, 4), (64, 64, 8), (28, 20, 2), (5, 5, 1)])
def test_crop_is_a_window_of_the_image_on_black(height, width, pad):
    x, generator = images(40, height, width), torch.Generator().manual_seed(1)
    start = A.draw_crop(len(x), (3, height, width), generator)
    assert A.padding((height, width)) == pad
    assert start.min() == 0
    assert start.max() == 2 * pad
    for image, (top, left), seen in zip(x, start.tolist(), A.crop(x, start), strict=True):
        black = torch.zeros(3, height + 2 * pad, width + 2 * pad, dtype=torch.uint8)
        black[:, pad : pad + height, pad : pad + width] = image
        assert torch.equal(seen, black[:, top : top + height, left : left + width])


def test_flip_mirrors_the_chosen_half():
    x = images(2000, 4, 4)
    which = A.draw_flip(len(x), (3, 4, 4), torch.Generator().manual_seed(0))
    assert 0.45 < which.float().mean() < 0.55
    for image, chosen, seen in zip(x, which.tolist(), A.flip(x, which), strict=True):
        assert torch.equal(seen, image[..., torch.arange(3, -1, -1)] if chosen else image)


def test_cutout_blackens_one_square():
    x = images(50).clamp(min=1)
    centre = A.draw_cutout(len(x), (3, 32, 32), torch.Generator().manual_seed(0))
    for image, (row, column), seen in zip(x, centre.tolist(), A.cutout(x, centre), strict=True):
        wanted = image.clone()
        wanted[:, max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = 0
        assert torch.equal(seen, wanted)


def test_resized_crop_samples_its_box_bilinearly():
    x = images(4, 12, 16)
    box = A.draw_box(len(x), (3, 12, 16), torch.Generator().manual_seed(3))
    seen = A.resized_crop(x, box)
    for image, (row, column, half_height, half_width), answer in zip(x / 255, box.tolist(), seen, strict=True):
        for i, j in [(0, 0), (5, 9), (11, 15)]:
            v = ((row + half_height * ((2 * i + 1) / 12 - 1) + 1) * 12 - 1) / 2
            u = ((column + half_width * ((2 * j + 1) / 16 - 1) + 1) * 16 - 1) / 2
            assert torch.allclose(answer[:, i, j], bilinear(image, v, u), atol=1e-5)


def bilinear(image, v, u):
    v, u = min(max(v, 0), image.shape[1] - 1), min(max(u, 0), image.shape[2] - 1)
    i, j = min(math.floor(v), image.shape[1] - 2), min(math.floor(u), image.shape[2] - 2)
    a, b = v - i, u - j
    top = (1 - b) * image[:, i, j] + b * image[:, i, j + 1]
    return (1 - a) * top + a * ((1 - b) * image[:, i + 1, j] + b * image[:, i + 1, j + 1])


def test_boxes_lie_in_the_image_and_have_the_published_sizes():
    row, column, height, width = A.draw_box(20_000, (3, 48, 96), torch.Generator().manual_seed(0)).T
    assert (row.abs() + height).max() <= 1 + 1e-6
    assert (column.abs() + width).max() <= 1 + 1e-6
    whole = (height < 1) & (width < 1)
    area, ratio = (height * width)[whole], (96 * width / (48 * height))[whole]
    assert area.min() >= 0.08 - 1e-6
    assert 3 / 4 - 1e-5 <= ratio.min() <= ratio.max() <= 4 / 3 + 1e-5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", A.names())
def test_every_name_yields_pixels_in_range_and_leaves_the_input_alone(name, channels):
    for x in (images(8, channels=channels), images(8, 12, 20, channels) / 255):
        shape, generator = tuple(x.shape[1:]), torch.Generator().manual_seed(0)
        before, changes = x.clone(), A.pieces(name, shape)
        seen = A.augmented(x, changes, tuple(c.draw(8, shape, generator) for c in changes))
        assert torch.equal(x, before)
        assert seen.shape == x.shape
        assert seen.dtype == torch.float32
        assert seen.is_contiguous()
        assert 0 <= seen.min() <= seen.max() <= 1
        assert name in ("none", "erase") or not torch.equal(seen, x / 255 if x.dtype == torch.uint8 else x)


def test_none_is_pixel_by_255_exactly():
    x = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(A.augmented(x, (), ()).flatten(), torch.arange(256) / 255)


def test_unknown_name():
    with pytest.raises(UserError, match=r"no augmentation 'flop'\. Did you mean 'flip'\?"):
        A.pieces("crop+flop", (3, 8, 8))


def test_images_too_small_are_refused_with_what_is_left():
    with pytest.raises(UserError, match="'rotate' needs 2 pixels or more on each side, but the images are 1x40"):
        A.pieces("flip+rotate", (1, 1, 40))
    with pytest.raises(UserError, match="choose augment=none, or of flip, noise"):
        A.pieces("crop", (1, 1, 40))
    with pytest.raises(UserError, match="'shift3' needs 4 pixels"):
        A.pieces("shift3", (1, 3, 9))
    x = torch.rand(4, 1, 1, 40)
    for piece in A.pieces("flip+noise", (1, 1, 40)):
        assert piece.apply(x, piece.draw(4, (1, 1, 40), torch.Generator().manual_seed(1))).shape == x.shape


def test_what_nobody_asked_for(folder, cache):
    """Grey images are never mirrored unasked; the known sets are as the papers have them."""
    grey = load(str(folder({"a": 20, "b": 20}, "grey", channels=1)))
    assert grey.train.augment == "crop"
    assert load(str(folder({"a": 20, "b": 20}, "colour"))).train.augment == "crop+flip"
    shapes = [(1, 64, 64), (1, 65, 70), (3, 65, 70), (1, 1, 40), (3, 1, 40)]
    assert [*map(usual_augmentation, shapes)] == ["crop", "resized-crop", "resized-crop+flip", "none", "none"]
    plain = {name for name, known in KNOWN.items() if known.augment == "none"}
    assert plain == {"digits", "mnist1d", "mnist", "fashion-mnist"}
    assert {name for name, known in KNOWN.items() if known.augment is None} == {"cifar10", "cifar100", "tiny-imagenet"}
