"""Fog, snow, frost and what splashes onto the lens."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.evaluate.corruptions import extra
from sparring.evaluate.corruptions.blur import dragged, enlarged
from sparring.evaluate.corruptions.chance import Chance
from sparring.evaluate.corruptions.smooth import gaussian

GREY = (0.299, 0.587, 0.114)  # how much red, green and blue weigh in what we see
MUD = tuple(value / 255 for value in (63, 42, 20))
PHOTOS = 5  # of the six photographs of frost, the published files draw from the first five


def fog(x: Tensor, chance: Chance, thick: float, decay: float, least: int = 1) -> Tensor:
    """A fractal cloud is laid over the image. least: the smallest map, in pixels, that the cloud is cut out of."""
    height, width = x.shape[-2:]
    size = max(least, 1 << (max(height, width) - 1).bit_length())
    cloud = plasma(chance, size, decay)[:, None, :height, :width].to(x)
    brightest = x.amax((1, 2, 3), keepdim=True)
    return ((x + thick * cloud) * brightest / (brightest + thick)).clamp(0, 1)


def plasma(chance: Chance, size: int, decay: float) -> Tensor:
    """Fractal height maps (B, size, size) in [0, 1] by the diamond-square algorithm on a torus.

    size: a power of two; decay: how much smaller the chance becomes from one scale to the next finer one.
    """
    heights = torch.zeros(len(chance.generators), size, size, device=chance.device)
    step, wild = size, 100.0

    def mean(total: Tensor) -> Tensor:
        return total / 4 + wild * chance.uniform(*total.shape[1:], low=-wild, high=wild)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        middles = mean(pairs + pairs.roll(-1, 2))
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = mean(middles + middles.roll(1, 1) + corners + corners.roll(-1, 2))
        heights[:, half::step, ::step] = mean(middles + middles.roll(1, 2) + corners + corners.roll(-1, 1))
        step, wild = half, wild / decay
    heights = heights - heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)


def snow(
    x: Tensor,
    chance: Chance,
    mean: float,
    sd: float,
    large: float,
    least: float,
    radius: float,
    sigma: float,
    share: float,
) -> Tensor:
    """Flakes, drawn out as they fall, over a whitened image (B, 3, H, W) of which `share` stays as it is."""
    flakes = enlarged(mean + sd * chance.normal(1, *x.shape[2:]), large)
    flakes = (torch.where(flakes < least, 0.0, flakes).clamp(0, 1) * 255).floor() / 255
    flakes = dragged(flakes, chance.uniform(low=-135.0, high=-45.0), radius, sigma)
    grey = (x * torch.tensor(GREY, device=x.device)[:, None, None]).sum(1, keepdim=True)
    white = share * x + (1 - share) * torch.maximum(x, grey * 1.5 + 0.5)
    return (white + flakes + flakes.rot90(2, (2, 3))).clamp(0, 1)


def frost(x: Tensor, chance: Chance, keep: float, add: float, size: float) -> Tensor:
    """A piece of a photograph of ice is added to the image (B, 3, H, W). size: of the photograph, as a share of its
    own. Raises UserError where the photographs are not installed or smaller than the image."""
    height, width = x.shape[-2:]
    which, places = chance.whole(0, PHOTOS).tolist(), chance.uniform(2).tolist()
    ice = []
    for number, (down, across) in zip(which, places, strict=True):
        photo = extra.frost_photo(number, size)
        extra.require_room(photo, (height, width))
        top, left = int(down * (photo.shape[1] - height)), int(across * (photo.shape[2] - width))
        ice.append(photo[:, top : top + height, left : left + width])
    return (keep * x + add * torch.stack(ice).to(x)).clamp(0, 1)


def spatter(
    x: Tensor, chance: Chance, mean: float, sd: float, wide: float, least: float, strength: float, mud: bool
) -> Tensor:
    """Drops of water, or of mud, on the lens."""
    liquid = gaussian(mean + sd * chance.normal(1, *x.shape[2:]), wide)
    if not mud:
        return extra.water(x, torch.where(liquid < least, 0.0, liquid), strength)
    drops = gaussian((liquid > least).to(x), strength)
    drops = torch.where(drops < 0.8, 0.0, drops)
    colour = torch.tensor(MUD[: x.shape[1]], device=x.device)[:, None, None]
    return (x * (1 - drops) + colour * drops).clamp(0, 1)
