"""Losses that a guide takes part in, per sample, as DiSK's paper and its code have them.

s, t: student and teacher logits (…, B, K); g: the guide's values (…, B) in [0, 1]; T, T_s: temperatures of teacher and
student; k: how many of the teacher's classes are guarded. Natural logarithms; leading dimensions are free.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core.processes import mean, world

LEAST = 1e-8  # the smallest argument of a logarithm


def guarded(t: Tensor, k: int) -> Tensor:
    """1 at each row's k largest logits, else 0, (…, B, K)."""
    return torch.zeros_like(t).scatter(-1, t.topk(min(k, t.shape[-1]), dim=-1).indices, 1.0)


class Guided(NamedTuple):
    """Two softened answers between which a guide may come: t and s, (…, B, K), 1 at guarded classes, and T·T_s."""

    teacher: Tensor
    student: Tensor
    guarded: Tensor
    scale: float | Tensor

    def distance(self, g: Tensor) -> Tensor:
        """Eq. 4 per sample (…, B): −T·T_s Σ_y t_y ln(s_y + g·1[y guarded]); it may be negative.

        The guide's value is added to what the student gives guarded classes, so that a large one leaves nothing to
        learn there.
        """
        return -self.scale * (self.teacher * self.seen(g).log()).sum(-1)

    def left(self, g: Tensor) -> Tensor:
        """What share of the pull on the student's ln s a guide's value leaves, (…, B) in [0, 1]; ours.

        Without a guide class y pulls by t_y, with it by t_y s_y / (s_y + g): little g hides much of an image on which
        the student gives the teacher's classes less than g, and g = 1 no more than half of one that it has learned.
        """
        whole = self.teacher.sum(-1).clamp(min=LEAST)
        student = self.student.clamp(min=LEAST)  # as in `seen`: what is lost there is no guide's doing
        return ((self.teacher * student / self.seen(g)).sum(-1) / whole).clamp(max=1)  # rounding apart, it is

    def seen(self, g: Tensor) -> Tensor:
        """s + g·1[guarded], above 0."""
        return (self.student + self.guarded * g.unsqueeze(-1)).clamp(min=LEAST)


def guided_kd(s: Tensor, t: Tensor, *, T: float, T_s: float | Tensor, k: int) -> Guided:
    """As DiSK's paper has them: the teacher's k likeliest classes are guarded, all classes count."""
    return Guided(torch.softmax(t / T, -1), torch.softmax(s / T_s, -1), guarded(t, k), T * T_s)


def guided_kd_released(s: Tensor, t: Tensor, y: Tensor, *, T: float, T_s: float | Tensor, k: int) -> Guided:
    """As DiSK's code has them: the label y (…, B) is guarded too, and only guarded classes count.

    Before its softmax the teacher's other classes are given its least logit, untempered.
    """
    inside = guarded(t, k).scatter(-1, y.unsqueeze(-1), 1.0)
    teacher = torch.softmax(torch.where(inside > 0, t / T, t.amin(-1, keepdim=True)), -1) * inside
    return Guided(teacher, torch.softmax(s / T_s, -1), inside, T * T_s)


def spent_released(s: Tensor, t: Tensor, y: Tensor, g: Tensor, worst: float) -> Tensor:
    """The budget as DiSK's code spends it (): cross-entropy to the teacher's class, at most `worst`, ÷ the errors.

    Where no image of the batch is wrong the code divides by 0 and skips it; here it is as if nothing had been spent.
    """
    wrong = mean((s.argmax(1) != y).float().sum())  # of the whole batch, where several processes share it
    spent = (g * F.cross_entropy(s, t.argmax(1), reduction="none").clamp(max=worst)).sum()
    return torch.where(wrong > 0, spent / wrong.clamp(min=1 / world()), 0.0)


def temperature_curve(s: Tensor, t: Tensor, T: float, grid: Tensor) -> Tensor:
    """Σ_i KL(t^T ‖ s^τ) over the rows of a batch for each τ of `grid` (G,): (G,).

    In float64 where the device has it: the curve of a student that knows little is flat, and its lowest point would be
    rounding's.
    """
    fine = s.dtype if s.device.type == "mps" else torch.float64
    teacher = torch.softmax(t.to(fine) / T, -1)
    own = (teacher * teacher.clamp(min=1e-30).log()).sum()
    crossed = torch.log_softmax(s.to(fine).unsqueeze(0) / grid.view(-1, 1, 1), -1)
    return own - (teacher * crossed).sum((-2, -1))


def lowest(grid: Tensor, curve: Tensor) -> Tensor:
    """Where a curve over an evenly spaced (in its logarithm) `grid` is least: the vertex of the parabola there ()."""
    at = curve.argmin().clamp(1, len(grid) - 2) + torch.arange(-1, 2, device=curve.device)
    left, here, right = curve.gather(0, at)  # an index on the device: nobody waits for it
    bend = (left - 2 * here + right).clamp(min=1e-12)
    shift = ((left - right) / (2 * bend)).clamp(-1, 1)
    return torch.exp(grid.gather(0, at)[1].log() + shift * (grid[1].log() - grid[0].log()))


def wave(low: float, high: float, at: int, period: int) -> float:
    """Half a cosine from `low` up to `high` within each period: DiSK's λ after `at` rounds."""
    return low + (high - low) * (1 - math.cos(math.pi * (at % period) / period)) / 2


def round_at(batch: int, first: int, inner: int, *, student_first: bool) -> int:
    """The round that a batch lies in, where a guide's `first` batches are followed by `inner` of the student, `inner`
    of the guide, and so on. Guide and student make a round, the first one being `first` + `inner` long; of DiSK's code
    student and guide do, `student_first`, and the guide's first turn lies before them, in round 0 too.

    With first = inner = 3: batches 0 to 5 are round 0, 6 to 11 round 1; `student_first` 0 to 8 and 9 to 14.
    """
    since = batch - first if student_first else batch - first + inner
    return max(0, since // (2 * inner))


def released_delta(epoch: int, high: float = 0.6, low: float = 0.4, period: int = 20) -> float:
    """The budget of DiSK's code after `epoch` rounds: half a cosine downwards in each period, its height shrinking."""
    top = high * 0.9 ** (epoch // period)
    return low + (top - low) * (1 + math.cos(math.pi * (epoch % period) / period)) / 2
