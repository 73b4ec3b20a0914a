"""SemCKD (Chen et al. 2021): every stage of the student learns from every stage of the teacher, by learned attention.

    a_b,i,j = softmax_j ⟨query_i(G_i^s)_b, key_j(G_j^t)_b⟩,     G = F Fᵀ, how alike the images of the batch are (B, B)
    L = CE + T² KL + 400 · Σ_b,i,j a_b,i,j · mean (P_ij f_i^s − f_j^t)²_b / (B S)

Queries and keys are perceptrons on rows of G, so they are made for one size of batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparring.core import Output, Setting
from sparring.parts import taps
from sparring.parts.hint import Hint, HintObjective, both, pooled_alike, squares
from sparring.parts.part import Objective


def alike(f: Tensor) -> Tensor:
    """G: the inner products of the images' features (B, …) with one another, (B, B)."""
    rows = f.float().flatten(1)
    return rows @ rows.T


def embedding(batch_size: int) -> nn.Sequential:
    """Rows of G (B, B) → (B, B / 4)."""
    quarter = max(1, batch_size // 4)
    return nn.Sequential(nn.Linear(batch_size, 2 * quarter), nn.ReLU(), nn.Linear(2 * quarter, quarter))


def unit(rows: Tensor) -> Tensor:
    """Rows (B, D) of length 1."""
    return rows / rows.norm(dim=1, keepdim=True)


def projection(before: int, after: int) -> nn.Sequential:
    """A student's map (B, before, H, W) in the teacher's channels."""
    return nn.Sequential(
        nn.Conv2d(before, 2 * after, 1, bias=False),
        nn.BatchNorm2d(2 * after),
        nn.ReLU(),
        nn.Conv2d(2 * after, 2 * after, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * after),
        nn.ReLU(),
        nn.Conv2d(2 * after, after, 1, bias=False),
    )


class SemCKD(Hint):
    """The hint from every stage to every stage."""

    weight = 400.0

    def __init__(self, setting: Setting, soft: float = 1.0) -> None:
        super().__init__()
        student, teacher = both(setting)
        if soft <= 0:
            raise ValueError(f"soft is {soft:g}: give a temperature above 0")
        if setting.batch_size < 4:
            raise ValueError(
                f"SemCKD compares the images of a batch, and there are {setting.batch_size}: give 4 or more"
            )
        self.soft, self.batch_size = soft, setting.batch_size
        self.student_taps = taps.stages(student, setting.shape)
        self.target_taps = taps.stages(teacher, setting.shape)
        own = taps.shapes(student, setting.shape, self.student_taps)
        theirs = taps.shapes(teacher, setting.shape, self.target_taps)
        ours, others = ", ".join(taps.place(student, t) for t in own), ", ".join(taps.place(teacher, t) for t in theirs)
        self.told = f"student {ours} × teacher {others}, by learned attention"
        self.query = nn.ModuleList([embedding(self.batch_size) for _ in own])
        self.key = nn.ModuleList([embedding(self.batch_size) for _ in theirs])
        self.project = nn.ModuleList(
            [nn.ModuleList([projection(s[0], t[0]) for t in theirs.values()]) for s in own.values()]
        )

    def forward(self, output: Output, target: Output) -> Tensor:
        own = [output.features[tap] for tap in self.student_taps]
        theirs = [target.features[tap].detach() for tap in self.target_taps]
        return weighed(self.attention(own, theirs), self.distances(own, theirs))

    def attention(self, own: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """a: (B, S, T), over the teacher's stages 1."""
        if len(own[0]) != self.batch_size:
            raise ValueError(f"SemCKD was made for batches of {self.batch_size} images, and this one has {len(own[0])}")
        with torch.autocast(own[0].device.type, enabled=False):
            queries = torch.stack([unit(net(alike(f))) for net, f in zip(self.query, own, strict=True)], 1)
            keys = torch.stack([unit(net(alike(f))) for net, f in zip(self.key, theirs, strict=True)], 1)
            return torch.softmax(queries @ keys.transpose(1, 2) / self.soft, -1)

    def distances(self, own: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """How far each stage, projected, is from each of the teacher's: (B, S, T)."""
        rows = []
        for f, nets in zip(own, self.project, strict=True):
            assert isinstance(nets, nn.ModuleList)
            apart = []
            for net, wanted in zip(nets, theirs, strict=True):
                seen, wanted = pooled_alike(f, wanted)
                apart.append(squares(net(seen).float(), wanted))
            rows.append(torch.stack(apart, 1))
        return torch.stack(rows, 1)

    def about(self) -> Sequence[str]:
        return [self.told]


def weighed(attention: Tensor, distances: Tensor) -> Tensor:
    """Σ_i,j a · l over the student's S stages and the teacher's, ÷ S, of each image: (B, S, T) twice → (B,)."""
    return (attention * distances).sum((1, 2)) / attention.shape[1]


def semckd(
    setting: Setting,
    *,
    soft: float = 1.0,
    weight: float = SemCKD.weight,
    ce: float = 1.0,
    kd: float = 1.0,
    T: float = 4.0,
) -> Objective:
    """SemCKD: every stage of the student learns from every stage of the teacher, by learned attention.

    soft: what the attention's logits are divided by; weight: of the hint, beside ce · CE and kd · T² KL.
    """
    return HintObjective(SemCKD(setting, soft), weight=weight, ce=ce, kd=kd, T=T)
