"""For development: the same operations in torchvision, where it is installed."""

import pytest
import torch

from sparring.data import policies as P
from sparring.data import warp
from sparring.data.operations import OPERATIONS, operated
from sparring.nets.vision import mend_torchvision

mend_torchvision()
pytest.importorskip("torchvision")
from torchvision.transforms import InterpolationMode  # noqa: E402
from torchvision.transforms.v2 import TrivialAugmentWide  # noqa: E402
from torchvision.transforms.v2 import functional as V  # noqa: E402


def images(count=20, side=32, channels=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


def test_placed_is_its_affine():
    x = images(8) / 255
    generator = torch.Generator().manual_seed(0)
    angle, shear, scale, right, down = (2 * torch.rand(5, 8, generator=generator) - 1).unbind()
    angle, shear, scale, right, down = angle * 30, shear * 15, 1 + 0.2 * scale, right * 6, down * 6
    seen = warp.warp(x, warp.placed(angle.deg2rad(), scale, shear.deg2rad(), right, down))
    drawn = torch.stack([angle, right, down, scale, shear], 1).tolist()
    for image, (a, r, d, sc, sh), mine in zip(x, drawn, seen, strict=True):
        theirs = V.affine(image, a, [r, d], sc, [sh, 0.0], interpolation=InterpolationMode.BILINEAR)
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_trivials_operations_are_its_own(channels):
    """Level by level within 1, but for pixels that a warp takes from halfway between two."""
    theirs = TrivialAugmentWide()
    names = dict(zip(OPERATIONS, ("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness",
                                  "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast",
                                  "Equalize"), strict=True))  # fmt: skip
    x = images(400, channels=channels)
    drawn = P.draw_trivial(400, (channels, 32, 32), torch.Generator().manual_seed(0))
    seen = P.trivial(x, drawn)
    for image, mine, (number, strength, *numbers) in zip(x, seen, drawn.tolist(), strict=True):
        name = OPERATIONS[int(number)]
        a, b, c, d, _, f = numbers
        turn = torch.rad2deg(torch.atan2(torch.tensor(d), torch.tensor(a))).item()
        value = {"shear-x": b, "shear-y": d, "translate-x": c, "translate-y": f, "rotate": turn}.get(name, strength)
        if name in ("brightness", "colour", "contrast", "sharpness"):
            value -= 1
        elif name in ("translate-x", "translate-y"):
            value = -value
        elif name == "solarize":
            value /= 255
        other = theirs._apply_image_or_video_transform(
            image, names[name], value, interpolation=InterpolationMode.NEAREST, fill={}
        )
        apart = (mine.int() - other.int()).abs().amax(0)
        wrong = (apart > 1).float().mean().item()
        assert wrong <= (0.02 if name in ("rotate", "shear-x", "shear-y") else 0), (name, value, wrong)


def test_bilinear_in_eight_bits_is_its_own():
    x = images(6)
    generator = torch.Generator().manual_seed(0)
    angle = (2 * torch.rand(6, generator=generator) - 1) * 30
    still = torch.zeros(6)
    warps = warp.placed(angle.deg2rad(), still + 1, still, still, still)
    seen = operated(x, still + OPERATIONS.index("rotate"), still, warps, "bilinear")
    for image, turn, mine in zip(x, angle.tolist(), seen, strict=True):
        theirs = V.affine(image, turn, [0, 0], 1.0, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)
        assert (mine.int() - theirs.int()).abs().max() <= 1
