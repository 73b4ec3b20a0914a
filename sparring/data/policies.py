"""TrivialAugment (Müller & Hutter 2021), AugMix (Hendrycks et al. 2020) and AutoAugment's policy for CIFAR-10 (Cubuk et
al. 2019), drawn for each image by itself.

All work on 8 bits, as published; images in floats are rounded to them first.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Generator, Tensor

from sparring.data.operations import NUMBER, OPERATIONS, operated
from sparring.data.piece import Shape, as_bytes, as_float, uniform

BINS = 31  # strengths in TrivialAugment's wide space
WIDTH, DEPTH, SEVERITY = 3, 3, 3  # AugMix: chains, operations in the longest, how strong of 10
MIXED = tuple(
    NUMBER[name]
    for name in ("autocontrast", "equalize", "posterize", "rotate", "solarize",
                 "shear-x", "shear-y", "translate-x", "translate-y")
)  # fmt: skip  # AugMix leaves out what ImageNet-C corrupts with

LEVELS, GREY = 10, 128  # AutoAugment: strengths of an operation, and the level around images that it moves
CIFAR10 = """
invert .1 7 contrast .2 6, rotate .7 2 translate-x .3 9, sharpness .8 1 sharpness .9 3,
shear-y .5 8 translate-y .7 9, autocontrast .5 8 equalize .9 2, shear-y .2 7 posterize .3 7,
colour .4 3 brightness .6 7, sharpness .3 9 brightness .7 9, equalize .6 5 equalize .5 1,
contrast .6 7 sharpness .6 5, colour .7 7 translate-x .5 8, equalize .3 7 autocontrast .4 8,
translate-y .4 3 sharpness .2 6, brightness .9 6 colour .2 8, solarize .5 2 invert .0 3,
equalize .2 0 autocontrast .6 0, equalize .2 8 equalize .6 4, colour .9 9 equalize .6 6,
autocontrast .8 4 solarize .2 8, brightness .1 3 colour .7 0, solarize .4 5 autocontrast .9 3,
translate-y .9 9 translate-y .7 9, autocontrast .9 2 solarize .8 3, equalize .8 8 invert .1 3,
translate-y .7 9 autocontrast .9 1
"""  # Cubuk et al. 2019, appendix: 25 pairs of an operation, its chance and its level
POLICY = tuple(
    tuple(
        (NUMBER[name], float(chance), int(level)) for name, chance, level in zip(*[iter(pair.split())] * 3, strict=True)
    )
    for pair in CIFAR10.replace("\n", " ").split(",")
)


@cache
def on(device: torch.device, table: tuple) -> Tensor:
    """A table of numbers as a tensor, copied to a device once and not in every step; nobody writes into it."""
    return torch.tensor(table, device=device)


def draw_auto(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, 2 · 8) float32: the two operations of one of the 25 pairs as in `draw_trivial`, each by its chance."""
    table = on(generator.device, POLICY)  # (25, 2, 3)
    chance = uniform(count, 5, generator)
    pair = table[(chance[:, 0] * len(POLICY)).long()]
    steps = []
    for step in range(2):
        number, likely, level = pair[:, step].unbind(1)
        which = torch.where(chance[:, 1 + step] < likely, number, NUMBER["identity"]).long()
        part = level / (LEVELS - 1)
        signed = torch.where(chance[:, 3 + step] < 0.5, -part, part)
        strength = 1 + 0.9 * signed
        strength = torch.where(which == NUMBER["posterize"], 8 - (4 * part).round(), strength)
        strength = torch.where(which == NUMBER["solarize"], 255 * (1 - part), strength)
        reach = {"x": (150 / 331 * shape[2] * signed).trunc(), "y": (150 / 331 * shape[1] * signed).trunc()}
        spans = {"shear": 0.3 * signed, "turn": 30 * signed, **reach}
        steps += [which[:, None], strength[:, None], _warps(which, spans, shape)]
    return torch.cat(steps, 1)


def auto(x: Tensor, drawn: Tensor) -> Tensor:
    """Images (B, C, H, W) after a pair of operations each, uint8; pixels that move are taken from the nearest."""
    x = as_bytes(x)
    for step in drawn.split(8, dim=1):
        x = operated(x, step[:, 0], step[:, 1], step[:, 2:], "nearest", GREY)
    return x


def draw_trivial(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, 8) float32: operation, strength, warp; the operation and one of 31 strengths uniform, as is its sign."""
    chance = uniform(count, 3, generator)
    which = (chance[:, 0] * (len(OPERATIONS) - 1)).long()  # all but the last, invert, which is not in its space
    part = (chance[:, 1] * BINS).floor() / (BINS - 1)
    signed = torch.where(chance[:, 2] < 0.5, -part, part)
    strength = 1 + 0.99 * signed
    strength = torch.where(which == NUMBER["posterize"], 8 - (part * 6).round(), strength)
    strength = torch.where(which == NUMBER["solarize"], 255 * (1 - part), strength)
    spans = {"shear": 0.99 * signed, "x": (32 * signed).trunc(), "y": (32 * signed).trunc(), "turn": 135 * signed}
    return torch.cat([which[:, None], strength[:, None], _warps(which, spans, shape)], 1)


def trivial(x: Tensor, drawn: Tensor) -> Tensor:
    """Images (B, C, H, W) after one operation each, uint8; pixels that move are taken from the nearest."""
    return operated(as_bytes(x), drawn[:, 0], drawn[:, 1], drawn[:, 2:], "nearest")


def draw_augmix(count: int, shape: Shape, generator: Generator) -> Tensor:
    """(B, 3 · 3 · 8 + 4) float32: every chain's operations as in `draw_trivial`, the chains' weights, the whole's.

    Chains of 1 to 3 operations; weights Dirichlet(1, 1, 1), the mixture's own Beta(1, 1), which is uniform.
    """
    steps = WIDTH * DEPTH
    chance = uniform(count * steps, 3, generator)
    kinds = on(generator.device, MIXED)
    depth = 1 + (uniform(count, WIDTH, generator) * DEPTH).long()
    ended = (torch.arange(DEPTH, device=generator.device) >= depth[..., None]).reshape(-1)
    which = kinds[(chance[:, 0] * len(MIXED)).long()].masked_fill(ended, NUMBER["identity"])
    level = (0.1 + (SEVERITY - 0.1) * chance[:, 1]) / 10
    sign = torch.where(chance[:, 2] < 0.5, -1.0, 1.0)
    strength = torch.where(which == NUMBER["solarize"], 256 - (256 * level).floor(), 4 - (4 * level).floor())
    moved = {side: sign * (level * length / 3).floor() for side, length in (("x", shape[2]), ("y", shape[1]))}
    spans = {"shear": 0.3 * level * sign, "turn": (30 * level).floor() * sign, **moved}
    chains = torch.cat([which[:, None], strength[:, None], _warps(which, spans, shape)], 1).reshape(count, -1)
    heights = -(1 - uniform(count, WIDTH, generator)).log()  # exponentials over their sum are Dirichlet(1, 1, 1)
    return torch.cat([chains, heights / heights.sum(1, keepdim=True), uniform(count, 1, generator)], 1)


def augmix(x: Tensor, drawn: Tensor) -> Tensor:
    """Images (B, C, H, W) mixed with three chains of operations on them; float32 in [0, 1]."""
    x, count = as_bytes(x), len(x)
    steps = drawn[:, :-4].reshape(count, WIDTH, DEPTH, 8).transpose(0, 1).flatten(0, 1)  # (3 B, depth, 8)
    chains = x.repeat(WIDTH, 1, 1, 1)
    for step in steps.unbind(1):
        chains = operated(chains, step[:, 0], step[:, 1], step[:, 2:], "bilinear")
    weights, share = drawn[:, -4:-1], drawn[:, -1, None, None, None]
    mixture = torch.zeros(x.shape, device=x.device)
    for chain, weight in zip(chains.chunk(WIDTH), weights.unbind(1), strict=True):
        mixture += weight[:, None, None, None] * as_float(chain)
    return ((1 - share) * as_float(x) + share * mixture).clamp_(0, 1)


def _warps(which: Tensor, spans: dict[str, Tensor], shape: Shape) -> Tensor:
    """The warps (N, 6) of the operations `which` (N,): identities where they move no pixels.

    spans: (N,) each: "shear" per pixel, "x" and "y" in pixels, "turn" in degrees. Shears leave the first row or
    column where it is, as Pillow does.
    """
    still = torch.zeros_like(spans["shear"])
    a, b, c, d, e, f = still + 1, still, still, still, still + 1, still
    shear, turn = spans["shear"], torch.deg2rad(spans["turn"])
    sideways, downwards, turned = (which == NUMBER[name] for name in ("shear-x", "shear-y", "rotate"))
    b, c = torch.where(sideways, shear, b), torch.where(sideways, shear * (shape[1] / 2), c)
    d, f = torch.where(downwards, shear, d), torch.where(downwards, shear * (shape[2] / 2), f)
    a, e = (torch.where(turned, turn.cos(), number) for number in (a, e))
    b, d = torch.where(turned, turn.sin(), b), torch.where(turned, -turn.sin(), d)
    c = torch.where(which == NUMBER["translate-x"], spans["x"], c)
    f = torch.where(which == NUMBER["translate-y"], spans["y"], f)
    return torch.stack([a, b, c, d, e, f], 1)
