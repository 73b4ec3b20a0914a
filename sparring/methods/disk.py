"""DiSK: distilling selective knowledge (Kag, Acar, Gangrade & Saligrama, ICLR 2023 submission).

A guide g(x) in [0, 1], trained beside the student and thrown away, looks at the teacher's features and censors what the
student cannot learn:

    L_dist   = −T·T_s mean_i Σ_y t_y ln(s_y + 1[y ∈ top-k(t)] g_i)       (eq. 4)
    L_budget = [mean_i g_i · CE_i(s) − δ]₊                               (eq. 3)

the guide descends  (1 − α) L_dist + λ L_budget,  the student  α CE + (1 − α) L_dist,  each for `inner` epochs in turn;
λ rises from λ_min to λ_max over and over, once for each round of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from sparring.core import Batch, Clock, Losses, Moment, Output, Player, Setting, UserError, term
from sparring.core.processes import mean
from sparring.methods.hints import HintName, hint_named
from sparring.parts.bout import Bout
from sparring.parts.guided import guided_kd, guided_kd_released, lowest, released_delta, temperature_curve, wave
from sparring.parts.guides import Kind
from sparring.parts.guides import guide as guide_of
from sparring.parts.part import Part, Turns
from sparring.parts.quiet import undisturbed

FOLLOW: dict[str, dict[str, Any]] = {  # what is filled in where an option is not given
    "paper": {"guide": "mlp", "k": 20, "lambda_min": 0.1, "lambda_max": 50.0},
    "release": {"guide": "map", "k": 10, "T_s": 3.5, "lambda_min": 1.0, "lambda_max": 5.0, "period": 50, "first": 5.0},
}
IMAGENET: dict[str, Any] = {  # what the code for ImageNet sets (its budget is by the teacher's class, as the release's)
    "follow": "release", "turns": "joint", "guide": "wide", "alpha": 0.5, "T": 1.0, "T_s": 1.0, "k": 20, "delta": 0.2,
    "lambda_min": 0.1, "lambda_max": 0.5, "period": 30, "worst": 2.0,
}  # fmt: skip
TEMPERATURES = torch.logspace(-0.30103, 1.0, 64)  # 0.5 … 10, among which T_s is fitted


class Disk(Part):
    """Score the student where a guide finds it able to learn, under a budget.

    alpha: of CE, against 1 − alpha of L_dist; T: the teacher's temperature; T_s: the student's (None: fitted to the
    student as it starts, so that its answers are as close to the teacher's as they can be); k: guarded classes.
    delta: the budget (None: the error of the student as it starts, on the training images; of the release a schedule).
    lambda_min, lambda_max, period: of λ, the period in rounds (None: a quarter of them).
    inner: epochs of a turn, of guide and student alike; first: of the guide's first turn (None: inner).
    guide: "mlp", "features", "wide" or "map", see `parts.guides`; bias: of its last layer as it starts; guide_lr: of an
    Adam of its own (None: it descends as the student does, and may run into its sigmoid's end and stay there).
    turns: "alternating", or "joint": both move on every batch, and the budget's gradient reaches the student too.
    hint: a feature loss that is censored as well (eq. 6), by hint_weight (None: its own paper's); logits: the weight of
    α CE + (1 − α) L_dist beside it. follow: the paper, or its code (guarded label, own target, budget by the teacher's
    class, at most `worst` an image, over the number of errors, a term more for the guide).
    """

    needs = frozenset({"target", "features"})
    curve: Tensor
    errors: Tensor
    lam: Tensor
    seen: Tensor

    def __init__(
        self,
        setting: Setting,
        *,
        alpha: float = 0.1,
        T: float = 4.0,
        T_s: float | None = None,
        k: int | None = None,
        delta: float | None = None,
        lambda_min: float | None = None,
        lambda_max: float | None = None,
        period: int | None = None,
        inner: float = 3.0,
        first: float | None = None,
        guide: Kind | None = None,
        bias: float | None = -2.0,
        guide_lr: float | None = None,
        turns: Literal["alternating", "joint"] = "alternating",
        hint: HintName = "none",
        hint_weight: float | None = None,
        logits: float = 1.0,
        worst: float = 5.0,
        follow: Literal["paper", "release"] = "paper",
    ) -> None:
        super().__init__()
        given = {"T_s": T_s, "k": k, "period": period, "first": first, "guide": guide}
        given |= {"lambda_min": lambda_min, "lambda_max": lambda_max}
        told: dict[str, Any] = {
            name: FOLLOW[follow].get(name) if value is None else value for name, value in given.items()
        }
        self.joint, self.released = turns == "joint", follow == "release"
        refuse_impossible(alpha=alpha, T=T, inner=inner, guide_lr=guide_lr, **told)
        if self.joint and (delta is None or told["T_s"] is None):
            raise ValueError(
                "turns=joint has no phase in which to measure the student as it starts: give delta and T_s"
            )
        if not logits and hint == "none":
            raise ValueError("logits=0 leaves the student nothing to learn from: give a hint, or leave logits out")
        self.alpha, self.T, self.T_s, self.k, self.delta = alpha, T, told["T_s"], told["k"], delta
        self.low, self.high, self.period = told["lambda_min"], told["lambda_max"], told["period"]
        self.inner, self.first, self.logits, self.worst = inner, told["first"] or inner, logits, worst
        self.guide = guide_of(setting, told["guide"], bias)
        self.adam = None if guide_lr is None else partial(Adam, lr=guide_lr)
        self.hint = hint_named(hint, setting)
        self.hint_weight = self.hint.weight if hint_weight is None else hint_weight
        self.student_taps = self.hint.student_taps
        self.target_taps = tuple(dict.fromkeys([self.guide.tap, *self.hint.target_taps]))
        self.register_buffer("curve", torch.zeros(len(TEMPERATURES)))
        self.register_buffer("errors", torch.zeros(2))  # how many, of how many images
        self.register_buffer("lam", torch.tensor(self.low))
        self.register_buffer("seen", torch.zeros(()))
        self.round = 0

    def forward(self, output: Output, target: Output, batch: Batch) -> Losses:
        """The student's loss, its guide silent: α CE + (1 − α) L_dist, and what is left of a censored hint."""
        with torch.no_grad():
            g = self.censors(target)
        losses = Losses({})
        if self.logits:
            ce = term("ce", F.cross_entropy(output.logits, batch.labels))
            losses += self.logits * (self.alpha * ce + (1 - self.alpha) * self.distance(output, target, g, batch))
        if self.hint_weight:
            losses += self.hint_weight * term("hint", ((1 - g) * self.hint(output, target)).mean())
        if self.joint:
            losses += self.overspent(output, target, g, batch)
        return losses

    def advise(self, bout: Bout, batch: Batch) -> Losses:
        """The guide's loss, eq. 5 without α CE, in which it has no part; the student leaves it without a trace."""
        with undisturbed(bout.student), torch.no_grad():
            rows, output, target = bout.exchange(batch)
        assert target is not None
        if not self.joint and self.round == 0:
            self.measure(output.logits, target.logits, rows)
        g = self.censors(target)
        self.seen = g.detach().mean()
        losses = (1 - self.alpha) * self.distance(output, target, g, rows) + self.overspent(output, target, g, rows)
        if self.released:
            losses += (1 - self.alpha) * term("normaliser", torch.log1p(self.k * g).mean())
        return losses

    def censors(self, target: Output) -> Tensor:
        """g(x) of each image (B,)."""
        return self.guide(target.features[self.guide.tap].detach(), target.logits.detach())

    def distance(self, output: Output, target: Output, g: Tensor, batch: Batch) -> Losses:
        """L_dist."""
        s, t, T_s = output.logits, target.logits, self.student_temperature()
        if self.released:
            return term("dist", guided_kd_released(s, t, g, batch.y, T=self.T, T_s=T_s, k=self.k).mean())
        return term("dist", guided_kd(s, t, g, T=self.T, T_s=T_s, k=self.k).mean())

    def overspent(self, output: Output, target: Output, g: Tensor, batch: Batch) -> Losses:
        """λ L_budget, logged as it is descended."""
        s, t = output.logits, target.logits
        spent = (
            spent_released(s, t, batch.y, g, self.worst)
            if self.released
            else (g * cross_entropy(s, batch.labels)).mean()
        )
        return term("budget", self.lam * F.relu(spent - self.allowed()))

    def measure(self, s: Tensor, t: Tensor, batch: Batch) -> None:
        """Look at the student as it starts: how often it errs, and how far from the teacher it is at each T_s."""
        right = (s.argmax(1) == batch.y).sum()
        self.errors = self.errors + torch.stack([len(batch) - right, torch.full_like(right, len(batch))])
        if self.T_s is None:
            grid = TEMPERATURES.to(s.device)
            self.curve = self.curve + mean(temperature_curve(s, t, self.T, grid))

    def allowed(self) -> Tensor | float:
        """δ."""
        if self.delta is not None:
            return self.delta
        return released_delta(self.round) if self.released else self.errors[0] / self.errors[1].clamp(min=1)

    def student_temperature(self) -> Tensor | float:
        """T_s."""
        return lowest(TEMPERATURES.to(self.curve.device), self.curve) if self.T_s is None else self.T_s

    @property
    def companion(self) -> nn.Module | None:
        return self.hint if self.hint_weight else None

    def dress(self, student: nn.Module) -> nn.Module:
        return self.hint.dress(student)

    def about(self) -> Sequence[str]:
        sees = f"{self.guide.tap} and logits" if self.guide.logits else self.guide.tap
        count = sum(weight.numel() for weight in self.guide.parameters())
        return [f"guide: the teacher's {sees} → 1 ({count:,} parameters)", *self.hint.about()]

    def players(self, bout: Bout) -> Mapping[str, Player]:
        return {"guide": Player(self.guide, partial(self.advise, bout), self.adam)}

    @property
    def turns(self) -> Turns | None:
        return None if self.joint else self.whose_turn

    def whose_turn(self, clock: Clock) -> Sequence[str]:
        """The guide for `first` epochs, then student and guide for `inner` epochs each, again and again."""
        first, inner = (max(1, round(epochs * clock.steps_per_epoch)) for epochs in (self.first, self.inner))
        return ("guide",) if clock.batch < first or (clock.batch - first) // inner % 2 else ("student",)

    def after_step(self, moment: Moment) -> None:
        """λ for the next batch, by the round that it is in."""
        clock = moment.clock
        first, inner = (max(1, round(epochs * clock.steps_per_epoch)) for epochs in (self.first, self.inner))
        if self.joint:
            self.round, rounds = moment.step // clock.steps_per_epoch, clock.epochs
        else:
            rounds = clock.total_steps / inner
            self.round = max(0, (clock.batch + 1 - first + inner) // (2 * inner))
        self.lam.fill_(wave(self.low, self.high, self.round, self.period or max(1, round(rounds / 4))))

    def gauges(self) -> Mapping[str, Tensor]:
        """The guide's mean value on its last batch, λ, δ and T_s."""
        told = {"delta": self.allowed(), "T_s": self.student_temperature()}
        return {"guide": self.seen, "lambda": self.lam} | {name: torch.as_tensor(value) for name, value in told.items()}

    def keepsakes(self) -> Mapping[str, Tensor]:
        """The guide's weights, and T_s, δ and λ as they were at last: all that its loss takes beside the answers."""
        told = {name: value.detach().clone() for name, value in self.gauges().items() if name != "guide"}
        return told | {f"guide.{name}": value for name, value in self.guide.state_dict().items()}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        if missing := {"T_s", "delta", "lambda"} - kept.keys():
            raise UserError(f"the run kept no {min(missing)} of its guided loss; train it again")
        weights = {name: value for name, value in kept.items() if name.startswith("guide.")}
        self.guide.load_state_dict({name.removeprefix("guide."): value for name, value in weights.items()})
        self.T_s, self.delta = float(kept["T_s"]), float(kept["delta"])
        self.lam.fill_(float(kept["lambda"]))

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.round)

    def set_extra_state(self, state: Tensor) -> None:
        self.round = int(state)


def cross_entropy(s: Tensor, labels: Tensor) -> Tensor:
    """−ln s_y of each row (B,), at T = 1."""
    return F.cross_entropy(s, labels, reduction="none")


def spent_released(s: Tensor, t: Tensor, y: Tensor, g: Tensor, worst: float) -> Tensor:
    """The budget as the code spends it (): cross-entropy to the teacher's class, at most `worst`, ÷ the errors.

    Where a batch has no error the code divides by 0 and skips the batch; here it is as if nothing had been spent.
    """
    wrong = (s.argmax(1) != y).sum()
    spent = (g * cross_entropy(s, t.argmax(1)).clamp(max=worst)).sum()
    return torch.where(wrong > 0, spent / wrong.clamp(min=1), 0.0)


def refuse_impossible(**given: Any) -> None:
    """Raise ValueError for a number that DiSK cannot work with."""
    told = {name: value for name, value in given.items() if value is not None}
    for name in {"T", "T_s", "k", "inner", "first", "period", "guide_lr"} & told.keys():
        if told[name] <= 0:
            raise ValueError(f"{name} is {told[name]:g}: give a number above 0")
    if not 0 <= told["alpha"] <= 1:
        raise ValueError(f"alpha is {told['alpha']:g}: give a weight in [0, 1]")
    if not 0 <= told["lambda_min"] <= told["lambda_max"]:
        low, high = told["lambda_min"], told["lambda_max"]
        raise ValueError(f"lambda_min is {low:g} and lambda_max {high:g}: give 0 or more, and not less as lambda_max")
