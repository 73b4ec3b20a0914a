"""What the tests of this room make again and again."""

import torch

DATA = {"classes": 5, "shape": (3, 16, 16), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.21, 0.22)}

NET = """
from torch import nn
class Tiny(nn.Sequential):
    def __init__(self, num_classes=5, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, num_classes))
def five(): return Tiny(5)
def ten(classes): return Tiny(classes)
def number(): return 3
def broken(): raise RuntimeError("out of cheese")
def flat(): return nn.Conv2d(3, 4, 3)
def lazy(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
ready = Tiny(5)
WIDTHS = (4, 8)
"""


def moved(net):
    """`net` as if trained: BatchNorm's memory and every weight differ from the start."""
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.add_(0.1 * torch.rand_like(tensor) if tensor.is_floating_point() else 3)
    return net


def same(a, b):
    mine, yours = a.state_dict(), b.state_dict()
    assert mine.keys() == yours.keys()
    assert all(torch.equal(mine[k], yours[k]) for k in mine)
    assert torch.equal(a.mean, b.mean)
    assert torch.equal(a.std, b.std)
