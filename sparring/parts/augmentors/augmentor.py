"""What a learned augmentor is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Augmentor(nn.Module, ABC):
    """Changes a batch of images by noise and by parameters that can be learned: x̃ = g(x; ε).

    The noise ε is drawn anew in each call on the images' device and enters by reparametrisation, so that gradients
    reach both the parameters and the images. Fresh from its maker it changes (next to) nothing.
    rate: the learning rate that suits its kind. Parameters that require no gradient stay as they are.
    """

    rate: float = 0.05

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) → changed images of the same shape."""

    def learned(self) -> dict[str, nn.Parameter]:
        """The parameters that are learned, by name: what a snapshot of it holds."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def groups(self) -> list[dict[str, object]]:
        """Its parameters for an optimiser, each group with the learning rate of its kind."""
        return [{"params": list(self.learned().values()), "lr": self.rate}]


class Composed(Augmentor):
    """One augmentor after the other, the first one first, each with its own learning rate."""

    def __init__(self, *links: Augmentor) -> None:
        super().__init__()
        self.links = nn.ModuleList(links)

    def forward(self, x: Tensor) -> Tensor:
        for link in self.links:
            x = link(x)
        return x

    def groups(self) -> list[dict[str, object]]:
        return [group for link in self.links if isinstance(link, Augmentor) for group in link.groups()]


def distance(learned: dict[str, nn.Parameter], start: dict[str, Tensor]) -> Tensor:
    """How far an augmentor's parameters have gone from where they started: the norm of the difference ()."""
    gone = [
        (parameter.detach() - start[name].to(parameter.device)).square().sum() for name, parameter in learned.items()
    ]
    return torch.stack(gone).sum().sqrt()
