"""Decoupled Knowledge Distillation (Zhao, Cui, Song, Qiu & Liang 2022): KD's term in two halves, each with its weight.

With p = softmax(z / T), y the label, b = (p_y, 1 − p_y), and p̂ the answer among the K − 1 other classes alone:

    KL(p^t ‖ p^s) = TCKD + (1 − p^t_y) · NCKD,     TCKD = KL(b^t ‖ b^s),     NCKD = KL(p̂^t ‖ p̂^s)

Where the teacher is sure, plain KD all but leaves out what it knows of the other classes. DKD does not:

    L = w_ce · CE(s, y) + min(epoch / E, 1) · T² · (α · TCKD + β · NCKD),     epoch = 1, 2, …
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sparring.core import Batch, Losses, Moment, Output, Setting, term
from sparring.parts.divergences import zscore
from sparring.parts.part import Part


def decoupled(s: Tensor, t: Tensor, y: Tensor, T: float) -> tuple[Tensor, Tensor]:
    """(TCKD, NCKD) of each row (B,) (B,), without T²; s, t: logits (B, K), y: labels (B,).

    All of it in logarithms: where a network is so sure that 1 − p_y rounds to 0, log(1 − p_y) is still finite.
    """
    s, t, others = s / T, t / T, all_but(y, s.shape[1])
    tckd = kl(binary(s, y, others), binary(t, y, others))
    nckd = kl(F.log_softmax(s.gather(1, others), dim=1), F.log_softmax(t.gather(1, others), dim=1))
    return tckd, nckd


def all_but(y: Tensor, classes: int) -> Tensor:
    """The numbers of the classes that are not the label's, in each row (B, K - 1)."""
    below = torch.arange(classes - 1, device=y.device).expand(len(y), -1)
    return below + (below >= y[:, None])


def binary(z: Tensor, y: Tensor, others: Tensor) -> Tensor:
    """log b = (log p_y, log(1 − p_y)) of each row of z (B, K): (B, 2)."""
    log_p = F.log_softmax(z, dim=1)
    return torch.stack([log_p.gather(1, y[:, None]).squeeze(1), log_p.gather(1, others).logsumexp(1)], dim=1)


def kl(log_s: Tensor, log_t: Tensor) -> Tensor:
    """KL(t ‖ s) of each row (B,)."""
    return F.kl_div(log_s, log_t, reduction="none", log_target=True).sum(1)


class Decoupled(Part):
    """Cross-entropy plus the two halves of KD's term: on the label's class against the rest, and among the rest.

    alpha, beta: weights of TCKD and NCKD; T: temperature; ce: weight of the cross-entropy (0 leaves it out); warmup: E,
    the epochs over which both halves grow to their weights (0: at once); standardise: z-score both logits first (Sun et
    al. 2024, who multiply alpha and beta by their weight w).
    """

    needs = frozenset({"target"})
    unmixed = (
        "objective=dkd parts an answer at the label's one class, and mixed images have several: choose another "
        "perturbation, or objective=kd, which takes them"
    )

    def __init__(
        self,
        setting: Setting,
        *,
        alpha: float = 1.0,
        beta: float = 8.0,
        T: float = 4.0,
        ce: float = 1.0,
        warmup: int = 20,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        if T <= 0 or warmup < 0:
            raise ValueError(f"T is {T:g} and warmup {warmup}: give a temperature above 0, and 0 epochs or more")
        if min(ce, alpha, beta) < 0:
            raise ValueError(f"ce is {ce:g}, alpha {alpha:g} and beta {beta:g}: give weights of 0 or more")
        if not ce and not alpha and not beta:
            raise ValueError("all weights are 0, so there is nothing to learn from: give objective.beta")
        if standardise and setting.classes == 2:
            raise ValueError("of two logits standardising leaves nothing but which is larger: leave standardise out")
        self.alpha, self.beta, self.T, self.ce, self.standardise = alpha, beta, T, ce, standardise
        self.warmup, self.epoch, self.binary = warmup, 1, setting.classes == 2

    def forward(self, output: Output, target: Output, batch: Batch) -> Losses:
        s, t = output.logits, target.logits
        losses = self.ce * term("ce", F.cross_entropy(s, batch.y)) if self.ce else Losses({})
        if self.standardise:
            s, t = zscore(s), zscore(t)
        tckd, nckd = decoupled(s, t, batch.y, self.T)
        halves = self.alpha * term("tckd", self.T**2 * tckd.mean()) + self.beta * term("nckd", self.T**2 * nckd.mean())
        return losses + self.ramp * halves

    @property
    def ramp(self) -> float:
        """How much of their weights the two halves have in this epoch."""
        return min(self.epoch / self.warmup, 1.0) if self.warmup else 1.0

    def after_step(self, moment: Moment) -> None:
        """Know which epoch the next step lies in; the first step knows it unasked."""
        self.epoch = moment.step // moment.clock.steps_per_epoch + 1

    def about(self) -> Sequence[str]:
        told = "of two classes one is not the label's: NCKD, among those, teaches nothing"
        return [told] if self.binary else []

    def remark(self) -> str | None:
        """Say where the training ended before the halves had their weights."""
        last = self.epoch - 1  # the epoch that is over
        if last >= self.warmup:
            return None
        return (
            f"TCKD and NCKD never had more than {last / self.warmup:.0%} of their weights: these grow over "
            f"objective.warmup={self.warmup} epochs, and the training lasted {last}"
        )

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.epoch)

    def set_extra_state(self, state: Tensor) -> None:
        self.epoch = int(state)
