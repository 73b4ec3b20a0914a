"""KD and DA as one would write them from the papers: float32, NCHW, eager, images augmented one by one in a DataLoader.

Nothing of sparring is used here. Each loop is a generator that yields after every step how long it waited for data.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

T, CE, KD = 4.0, 0.1, 0.9
ALPHA, P = 0.01778, 0.7374


@dataclass
class Pictures(Dataset):
    """Images (N, 3, H, W) uint8 that are cropped, flipped and standardised one at a time."""

    x: Tensor
    y: Tensor
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        height, width = self.x.shape[-2:]
        image = F.pad(self.x[row].float() / 255, (4, 4, 4, 4))
        top, left = random.randint(0, 8), random.randint(0, 8)
        image = image[:, top : top + height, left : left + width]
        if random.random() < 0.5:
            image = image.flip(-1)
        return (image - self.mean) / self.std, self.y[row]


def loader(pictures: Pictures, batch_size: int, device: torch.device) -> DataLoader:
    """Shuffled batches, made ahead by two processes."""
    pinned = device.type == "cuda"
    return DataLoader(pictures, batch_size=batch_size, shuffle=True, drop_last=True, num_workers=2, pin_memory=pinned)


def distil(
    student: nn.Module, teacher: nn.Module, batches: DataLoader, device: torch.device, *, p: float
) -> Iterator[float]:
    """Knowledge distillation (p = 0), or Disagreement Augmentation with probability p; the networks give logits."""
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    while True:
        asked = time.perf_counter()
        for x, y in batches:
            waited = time.perf_counter() - asked
            x, y = x.to(device), y.to(device)
            student.train()
            if random.random() < p:
                x = disagree(x, student, teacher)
            s = student(x)
            with torch.no_grad():
                t = teacher(x)
            kl = F.kl_div(F.log_softmax(s / T, 1), F.softmax(t / T, 1), reduction="batchmean")
            loss = CE * F.cross_entropy(s, y) + KD * T**2 * kl
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield waited
            asked = time.perf_counter()


def disagree(x: Tensor, student: nn.Module, teacher: nn.Module) -> Tensor:
    """One Adam step on the pixels up the disagreement, as the paper's public code makes it: the student is copied,
    and `backward` fills the gradients of every weight on the way."""
    student = copy.deepcopy(student)
    student.train()
    x = x.clone().detach().requires_grad_(True)
    optimizer = torch.optim.Adam([x], lr=ALPHA)
    loss = -F.mse_loss(F.normalize(student(x), p=1, dim=1), F.normalize(teacher(x), p=1, dim=1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return x.detach()
