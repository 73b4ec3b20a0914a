"""What a network costs: its size, its arithmetic and its time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sparring.core.network import computing
from sparring.evaluate.answers import resting


def parameters(net: nn.Module) -> int:
    """How many numbers the network has learned (shared ones counted once, buffers not)."""
    return sum(weight.numel() for weight in net.parameters())


def macs(net: nn.Module, shape: Sequence[int]) -> int:
    """How many multiply-adds one image of `shape` (C, H, W) takes: convolutions, matrix products and attention."""
    counter = FlopCounterMode(display=False)
    with resting(net), torch.no_grad(), counter:  # inference mode would hide the operations from the counter
        net(torch.zeros(1, *shape, device=_device(net)))
    return counter.get_total_flops() // 2


def latency(net: nn.Module, shape: Sequence[int], device: torch.device | str = "cpu", *, repeats: int = 30) -> float:
    """The median time in seconds that the answer to one image of `shape` (C, H, W) takes on `device`, in float32.

    Whatever precision a network trains or teaches in, so that times can be compared. Five unmeasured answers come
    first; a network that lies elsewhere is not moved, a copy of it is.
    """
    device = torch.device(device)
    there = net if device == _device(net) else copy.deepcopy(net).to(device)
    x = torch.rand(1, *shape, device=device)
    with resting(there), computing(device.type, bf16=False):
        return took([there], x, repeats=repeats)[0]


@torch.inference_mode()
def took(answers: Sequence[Callable[[Tensor], object]], x: Tensor, *, repeats: int = 30) -> list[float]:
    """The median time in seconds that each of several takes to answer `x`, after five unmeasured answers.

    They answer in turn, so that whatever else the machine does strikes them all alike.
    """
    times = [[_timed(answer, x) for answer in answers] for _ in range(5 + repeats)]
    return [median(each) for each in zip(*times[5:], strict=True)]


def _timed(answer: Callable[[Tensor], object], x: Tensor) -> float:
    _wait(x.device)
    start = time.perf_counter()
    answer(x)
    _wait(x.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    torch.get_device_module(device).synchronize()


def _device(net: nn.Module) -> torch.device:
    weight = next(iter([*net.parameters(), *net.buffers()]), None)
    return torch.device("cpu") if weight is None else weight.device
