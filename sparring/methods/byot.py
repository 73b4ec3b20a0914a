"""Be Your Own Teacher (Zhang et al. 2019): a network teaches shallow exits of its own, and is the better for it.

Behind each stage but the last stands an exit (`nets/exits.py`), with logits z_i and features f_i; the network's own are
z and f:

    L = CE(z, y) + Σ_i [ (1 − α) · CE(z_i, y) + α · T² KL(p_T(z) ‖ p_T(z_i)) + λ · mean (f_i − f)² ]

In the sum z and f are detached: the network teaches its exits and is not drawn to them. The paper gives no α, T or λ;
ours are those of released codes, λ per element, so that the batch's size does not matter. Two codes differ (`FOLLOW`):

    thirdparty   CE(z, y) has the weight 1 − α too; −Σ p_T(z) ln p_T(z_i) in place of KL; squares summed over the batch
    journal      of the authors' later paper: no T²; the norm of f_i − f over the batch, not at the last of the exits
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from sparring.core import Batch, Losses, Network, Output, Setting, UserError, term
from sparring.nets.exits import exiting, exits_of
from sparring.parts import taps
from sparring.parts.divergences import kd
from sparring.parts.hint import squares
from sparring.parts.part import Part


def per_element(f: Tensor, deepest: Tensor) -> Tensor:
    """The mean square of an exit's features (B, F) less the deepest."""
    return squares(f, deepest).mean()


def summed(f: Tensor, deepest: Tensor) -> Tensor:
    """The squares summed over batch and features (B, F), where either is above 0."""
    return ((f - deepest).square() * ((f > 0) | (deepest > 0))).sum()


def norm(f: Tensor, deepest: Tensor) -> Tensor:
    """The root of the squares summed over batch and features (B, F)."""
    return (f - deepest).norm()


class Reading(NamedTuple):
    """A form of the loss. alpha, feature: α and λ where not given; deepest: whether CE(z, y) is weighed by 1 − α as the
    exits' are; soft: KL's place, of (z_i, z, T); apart: of (f_i, f); skipped: of how many last exits there is no λ."""

    alpha: float
    feature: float
    deepest: bool
    soft: Callable[[Tensor, Tensor, float], Tensor]
    apart: Callable[[Tensor, Tensor], Tensor]
    skipped: int = 0


FOLLOW = {
    "paper": Reading(0.3, 0.0655, False, kd, per_element),  # 1e-6 · a batch of 128 · 512 features, of thirdparty
    "thirdparty": Reading(0.1, 1e-6, True, partial(kd, reduction="cross-entropy"), summed),
    "journal": Reading(0.3, 0.03, False, partial(kd, reduction="cross-entropy", t2=False), norm, skipped=1),
}


class Byot(Part):
    """Cross-entropy of a network and of its exits, which also learn its softened answer and its features.

    follow: the paper's form (ours: see above), or a code's: thirdparty, or journal (of which the attention modules, the
    depthwise-separable heads and the linear layers between the features are left out; our exits' features have the
    deepest's width). alpha: α, the share of its loss that an exit learns from the deepest answer; T: temperature;
    feature: λ. Those not given are as in what is followed: alpha 0.3 and feature 0.0655, 0.1 and 1e-6, 0.3 and 0.03.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        follow: Literal["paper", "thirdparty", "journal"] = "paper",
        alpha: float | None = None,
        T: float = 3.0,
        feature: float | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.classes = setting.shape, setting.classes
        self.form, self.T = FOLLOW[follow], T
        self.alpha = self.form.alpha if alpha is None else alpha
        self.feature = self.form.feature if feature is None else feature
        if not 0 <= self.alpha <= 1 or T <= 0 or self.feature < 0:
            raise ValueError(
                f"alpha is {self.alpha:g}, T {T:g} and feature {self.feature:g}: give alpha from 0 to 1, T above 0 and "
                "a feature weight of 0 or more"
            )
        self.exits: list[str] = []
        self.told: list[str] = []

    def dress(self, student: nn.Module) -> nn.Module:
        """The student with an exit behind each stage but the last; one that has exits, as it is."""
        if not isinstance(student, Network):
            raise UserError("byot puts exits into its student, which must be a sparring Network: nets.wrap makes one")
        dressed = student if exits_of(student) else with_exits(student, self.shape, self.classes)
        self.exits = exits_of(dressed)
        self.student_taps = ("features", *self.exits, *map(features_of, self.exits))
        entries = taps.shapes(dressed, self.shape, [f"exits.{name}:input" for name in self.exits])
        widths = taps.shapes(dressed, self.shape, self.student_taps)
        self.told = [
            f"{name} on a map {size} → {widths[features_of(name)][0]} features → {widths[name][0]} classes"
            for name, size in zip(self.exits, entries.values(), strict=True)
        ]
        return dressed

    def forward(self, output: Output, target: Output | None, batch: Batch) -> Losses:
        z, f = output.logits.detach(), output.features["features"].detach().float()
        own = 1 - self.alpha if self.form.deepest else 1.0
        losses = own * term("ce", F.cross_entropy(output.logits, batch.labels))
        compared = self.exits[: len(self.exits) - self.form.skipped]
        for name in self.exits:
            z_i, f_i = output.features[name].float(), output.features[features_of(name)].float()
            losses += (1 - self.alpha) * term(f"{name}/ce", F.cross_entropy(z_i, batch.labels))
            losses += self.alpha * term(f"{name}/kd", self.form.soft(z_i, z, self.T))
            if name in compared:
                losses += self.feature * term(f"{name}/feature", self.form.apart(f_i, f))
        return losses

    def about(self) -> Sequence[str]:
        return self.told


def features_of(name: str) -> str:
    """The tap of an exit's features."""
    return f"{name}:features"


def with_exits(student: Network, shape: tuple[int, int, int], classes: int) -> Network:
    """A network with an exit behind each of its stages but the last. Raises UserError where it has no two stages."""
    if len(stages := taps.maps(student, shape)) < 2:
        raise UserError(
            f"an exit is put behind each stage of feature maps but the last, and {student.name} has {len(stages)} of "
            "them: give a convolutional student of two or more (`sparring list taps NET --data DATA` shows them)"
        )
    maps = taps.shapes(student, shape, stages)
    (width,) = taps.shape_of(student, shape, "features", 1, "byot compares rows of features with an exit's")
    last = maps.pop(stages[-1])
    return exiting(student, shape, maps, last=last, width=width, classes=classes)
