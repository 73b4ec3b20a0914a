"""Where and how precisely a run computes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from sparring.core import Batch, UserError
from sparring.engine import processes
from sparring.errors import first_line


@dataclass(frozen=True, slots=True)
class Compute:
    """The device, the precision of the networks' forwards, and the memory layout of images.

    bf16: forwards under autocast to bfloat16 (weights, losses and optimisers stay float32).
    """

    device: torch.device
    bf16: bool = False
    channels_last: bool = False

    @property
    def rank(self) -> int:
        """The number of this process among those that train together."""
        return processes.rank()

    @property
    def world(self) -> int:
        """How many processes train together."""
        return processes.world()

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The precision of a player's forward."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def place(self, batch: Batch) -> Batch:
        """The batch on this device, in this layout."""
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        x = batch.x.to(self.device, non_blocking=True, memory_format=layout)
        return replace(batch, x=x, y=batch.y.to(self.device, non_blocking=True))

    def place_module(self, module: nn.Module) -> nn.Module:
        """The module on this device, its weights in this layout."""
        module.to(self.device)
        if self.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def reseed(self, seed: int) -> None:
        """Let all chance on the host and on this device follow from `seed`.

        As torch.manual_seed, which for the sake of devices that are not in use keeps a stack trace at each call.
        """
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def synchronise(self) -> None:
        """Wait until the device has done all it was given."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU (cuda) where there is one, and mps or xpu, which nobody has tried
    here, only by name. Raises UserError where it is not there, or where several processes cannot share gradients on it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if processes.world() > 1 and device.type not in ("cpu", "cuda"):
            raise UserError(f"several processes train together on cuda or cpu, not on {name}; try --device cpu")
        if device.type == "cuda" and device.index is None and processes.world() > 1:
            device = torch.device("cuda", torch.cuda.current_device())
        torch.empty(0, device=device)
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # chance and waiting are the current device's
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {name!r} cannot be used here ({first_line(error)}); try --device cpu") from error
    return device


def fast_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16 faster than in float32: tensor cores, or AVX-512 bf16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def peak_memory(device: torch.device) -> int:
    """The most memory held at once: on the GPU where the run is on one, else by the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # which Windows has not

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
