"""Very deep variational autoencoders (Child 2020, "Very Deep VAEs Generalize Autoregressive Models").

An encoder reads an image down to one pixel. A decoder goes up again block by block: in each, a posterior that also sees
the encoder's activation and a prior that does not, a latent, and a residual network. The image is answered with a
discretised mixture of logistics. HARD learns the posteriors of such a network as its augmentor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.core import UserError, did_you_mean
from sparring.nets import logistics


@dataclass(frozen=True, slots=True)
class Plan:
    """How a very deep VAE is laid out.

    encoder, decoder: blocks in order, by resolution: "32x11" eleven of them at 32 pixels, "32d2" one that halves the
    resolution after it, "16m8" one at 16 pixels that adds what was made at 8. width: channels; zdim: those of a latent;
    bottleneck: the part of the width inside a block.
    """

    encoder: str
    decoder: str
    width: int
    zdim: int
    bottleneck: float
    mixtures: int = 10


SIZES: Mapping[str, Plan] = {
    "vdvae-mnist": Plan("28d2,14x2,14d2,7x2,7d7,1x1", "1x1,7m1,7x2,14m7,14x3,28m14", 32, 8, 0.5),
    "vdvae-small": Plan("32d2,16x2,16d2,8x2,8d2,4x1,4d4,1x1", "1x1,4m1,4x1,8m4,8x2,16m8,16x2,32m16", 32, 8, 0.5),
    "vdvae-cifar10": Plan(
        "32x11,32d2,16x6,16d2,8x6,8d2,4x3,4d4,1x3", "1x1,4m1,4x2,8m4,8x5,16m8,16x10,32m16,32x21", 384, 16, 0.25
    ),
}


def steps(told: str) -> list[tuple[int, str, int]]:
    """A plan's string block by block: (resolution, "x", "d" or "m", the number after "d" or "m", of "x" 1)."""
    found: list[tuple[int, str, int]] = []
    for word in told.split(","):
        kind = next((letter for letter in "xdm" if letter in word), "")
        resolution, _, number = word.partition(kind) if kind else (word, "", "")
        if not (kind and resolution.isdigit() and number.isdigit() and int(resolution) and int(number)):
            raise UserError(f"{word!r} in {told!r} is no block of a VAE: write 32x11, 32d2 or 16m8")
        found += [(int(resolution), kind, 1)] * int(number) if kind == "x" else [(int(resolution), kind, int(number))]
    return found


def pointwise(before: int, after: int) -> nn.Conv2d:
    """A 1×1 convolution that starts without bias."""
    return plain(nn.Conv2d(before, after, 1))


def plain(layer: nn.Conv2d, scale: float = 1.0) -> nn.Conv2d:
    """`layer` with its bias put to zero and its weights scaled, in place."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


class Bottleneck(nn.Module):
    """GELU and convolutions 1×1, 3×3, 3×3, 1×1 (B, before, h, w) → (B, after, h, w), on up to 2 pixels all 1×1.

    residual: what came is added. down: average over squares of that side afterwards. last: what the last convolution's
    weights are multiplied by at the start.
    """

    def __init__(
        self,
        before: int,
        middle: int,
        after: int,
        *,
        resolution: int,
        residual: bool = False,
        down: int = 1,
        last: float = 1.0,
    ) -> None:
        super().__init__()
        side = 3 if resolution > 2 else 1
        self.c1 = pointwise(before, middle)
        self.c2 = plain(nn.Conv2d(middle, middle, side, padding=side // 2))
        self.c3 = plain(nn.Conv2d(middle, middle, side, padding=side // 2))
        self.c4 = plain(nn.Conv2d(middle, after, 1), last)
        self.residual, self.down = residual, down

    def forward(self, x: Tensor) -> Tensor:
        made = x
        for layer in (self.c1, self.c2, self.c3, self.c4):
            made = layer(F.gelu(made))
        made = x + made if self.residual else made
        return F.avg_pool2d(made, self.down) if self.down > 1 else made


class Rung(nn.Module):
    """A block of the decoder: posterior `enc`, prior, the latent's way in `z_proj`, and a residual network."""

    def __init__(self, plan: Plan, resolution: int, below: int | None, blocks: int) -> None:
        super().__init__()
        width, middle = plan.width, int(plan.width * plan.bottleneck)
        self.resolution, self.below, self.zdim = resolution, below, plan.zdim
        self.enc = Bottleneck(2 * width, middle, 2 * plan.zdim, resolution=resolution)
        self.prior = Bottleneck(width, middle, 2 * plan.zdim + width, resolution=resolution, last=0.0)
        self.z_proj = plain(nn.Conv2d(plan.zdim, width, 1), blocks**-0.5)
        self.resnet = Bottleneck(width, middle, width, resolution=resolution, residual=True, last=blocks**-0.5)

    def forward(self, x: Tensor, seen: Tensor | None, sample: bool) -> tuple[Tensor, Tensor]:
        """(what goes up (B, width, h, w), KL in nats (B,)); seen: the encoder's activation there, None to take the
        latent from the prior; sample: draw the latent, else take its mean."""
        p_mean, p_log, more = self.prior(x).split([self.zdim, self.zdim, x.shape[1]], dim=1)
        p_mean, p_log = p_mean.float(), p_log.float()
        mean, log, kl = p_mean, p_log, p_mean.new_zeros(len(x))
        if seen is not None:
            mean, log = self.enc(torch.cat([x, seen], 1)).float().chunk(2, dim=1)
            kl = divergence(mean, log, p_mean, p_log)
        z = mean + log.exp() * torch.randn_like(mean) if sample else mean
        return self.resnet(x + more + self.z_proj(z.to(x.dtype))), kl


def divergence(q_mean: Tensor, q_log: Tensor, p_mean: Tensor, p_log: Tensor) -> Tensor:
    """KL in nats (B,) of a diagonal Gaussian q from p, by means and logarithms of standard deviations (B, Z, h, w)."""
    square = (2 * (q_log - p_log)).exp() + ((q_mean - p_mean) * (-p_log).exp()).square()
    return (p_log - q_log + 0.5 * (square - 1)).flatten(1).sum(1)


class VDVAE(nn.Module):
    """A very deep VAE for images of `shape` (C, H, W), square, grey or colour, as `plan` says; pixels in [0, 1].

    All chance is torch's own, on the images' device. Raises UserError for images that the plan cannot take.
    """

    def __init__(self, plan: Plan, shape: tuple[int, int, int]) -> None:
        super().__init__()
        down, up = steps(plan.encoder), steps(plan.decoder)
        refuse_misfit(plan, shape, down, up)
        self.plan, self.shape = plan, shape
        width, middle = plan.width, int(plan.width * plan.bottleneck)
        self.in_conv = plain(nn.Conv2d(shape[0], width, 3, padding=1))
        self.encoder = nn.ModuleList(
            Bottleneck(
                width,
                middle,
                width,
                resolution=resolution,
                residual=True,
                down=number if kind == "d" else 1,
                last=len(down) ** -0.5,
            )
            for resolution, kind, number in down
        )
        self.decoder = nn.ModuleList(
            Rung(plan, resolution, number if kind == "m" else None, len(up)) for resolution, kind, number in up
        )
        sides = sorted({resolution for resolution, _, _ in up})
        self.start = nn.ParameterDict({str(side): nn.Parameter(torch.zeros(1, width, side, side)) for side in sides})
        self.gain, self.bias = nn.Parameter(torch.ones(width, 1, 1)), nn.Parameter(torch.zeros(width, 1, 1))
        self.out_conv = pointwise(width, logistics.outputs(shape[0], plan.mixtures))

    def rungs(self) -> list[Rung]:
        """The decoder's blocks, from the one pixel up."""
        return [rung for rung in self.decoder if isinstance(rung, Rung)]

    def tunable(self, first: int | None) -> Iterator[nn.Parameter]:
        """What HARD fine-tunes: the posteriors of the decoder's blocks from number `first` on, counted from 0 (by
        default a quarter of the blocks stays, as 10 of 43 do in the paper). Raises ValueError where there is none."""
        rungs = self.rungs()
        first = len(rungs) // 4 if first is None else first
        if not 0 <= first < len(rungs):
            raise ValueError(f"first is {first}, and the VAE's decoder has {len(rungs)} blocks: give one of those")
        for rung in rungs[first:]:
            yield from rung.enc.parameters()

    def elbo(self, x: Tensor) -> Tensor:
        """The evidence lower bound of each image x (B, C, H, W) in nats, (B,)."""
        rate, distortion = self.costs(x)
        return -(rate + distortion)

    def costs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(KL from prior to posterior over all latents, −log-likelihood of x given them), in nats, each (B,)."""
        told, rate = self.climb(self.activations(x), len(x), sample=True)
        return rate, -logistics.log_likelihood(told, x)

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`costs` of x, and the reconstruction (B, C, H, W) from the same latents."""
        told, rate = self.climb(self.activations(x), len(x), sample=True)
        return rate, -logistics.log_likelihood(told, x), logistics.mean(told, self.shape[0])

    def reconstruct(self, x: Tensor, sample: bool = True) -> Tensor:
        """x (B, C, H, W) encoded and decoded again to the answered mean in [0, 1], float32, differentiable.

        sample: latents drawn from the posteriors, by reparametrisation; else the posteriors' means.
        """
        return logistics.mean(self.climb(self.activations(x), len(x), sample=sample)[0], self.shape[0])

    def sample(self, count: int) -> Tensor:
        """Means (count, C, H, W) in [0, 1] of images drawn from the prior."""
        return logistics.mean(self.climb(None, count, sample=True)[0], self.shape[0])

    def activations(self, x: Tensor) -> dict[int, Tensor]:
        """What the encoder makes of x at each resolution, the last of each kept."""
        made = self.in_conv((x - 0.5) * 4)
        found = {made.shape[-1]: made}
        for block in self.encoder:
            made = block(made)
            found[made.shape[-1]] = made
        return found

    def climb(self, seen: Mapping[int, Tensor] | None, count: int, *, sample: bool) -> tuple[Tensor, Tensor]:
        """(the mixtures' numbers (B, …, H, W), KL in nats (B,)) of `count` images from the encoder's activations."""
        made = {int(side): start.expand(count, -1, -1, -1) for side, start in self.start.items()}
        total = torch.zeros(count, device=self.gain.device)
        for rung in self.rungs():
            x = made[rung.resolution]
            if rung.below is not None:
                x = x + F.interpolate(made[rung.below], scale_factor=rung.resolution // rung.below)
            made[rung.resolution], kl = rung(x, None if seen is None else seen[rung.resolution], sample)
            total = total + kl
        return self.out_conv(made[self.shape[-1]] * self.gain + self.bias), total


def refuse_misfit(
    plan: Plan, shape: tuple[int, int, int], down: list[tuple[int, str, int]], up: list[tuple[int, str, int]]
) -> None:
    """Raise UserError where images of `shape` do not fit a plan, or its blocks do not fit each other."""
    channels, height, width = shape
    top = down[0][0]
    if channels not in (1, 3) or height != width or height != top:
        raise UserError(
            f"this VAE is for square images of {top}×{top} pixels, grey or colour, and these are {height}×{width} "
            f"with {channels} channels: take {size_for(shape)}"
        )
    side, sides = top, {top}
    for resolution, kind, number in down:
        if resolution != side or kind == "m" or (kind == "d" and side % number):
            raise UserError(f"the encoder {plan.encoder!r} does not go on from {side} pixels with {resolution}{kind}")
        side = side // number if kind == "d" else side
        sides.add(side)
    made = {up[0][0]}
    for resolution, kind, number in up:
        if resolution not in sides or kind == "d" or (kind == "m" and (number not in made or resolution % number)):
            raise UserError(f"the decoder {plan.decoder!r} cannot make {resolution}{kind}{number} of what is there")
        made.add(resolution)
    if up[-1][0] != top:
        raise UserError(f"the decoder {plan.decoder!r} ends at {up[-1][0]} pixels, and the images have {top}")


def size_for(shape: tuple[int, int, int]) -> str:
    """The named sizes that take images of `shape`, in words."""
    fitting = [name for name, plan in SIZES.items() if steps(plan.encoder)[0][0] == shape[1] == shape[2]]
    return " or ".join(fitting) or "size=28 with vdvae-mnist, or size=32 with vdvae-small"


def vdvae(name: str, shape: tuple[int, int, int]) -> VDVAE:
    """The very deep VAE called `name`, untrained. Raises UserError for an unknown name or images it cannot take."""
    if name not in SIZES:
        raise UserError(f"unknown autoencoder {name!r}. {did_you_mean(name, SIZES)}")
    return VDVAE(SIZES[name], shape)
