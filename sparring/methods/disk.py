"""DiSK: distilling selective knowledge (Kag, Acar, Gangrade & Saligrama, ICLR 2023 submission).

A guide g(x) in [0, 1], trained beside the student and thrown away, looks at the teacher's features and censors what the
student cannot learn:

    L_dist   = −T·T_s mean_i Σ_y t_y ln(s_y + 1[y ∈ top-k(t)] g_i)       (eq. 4)
    L_budget = [mean_i g_i · CE_i(s) − δ]₊                               (eq. 3)

the guide descends  (1 − α) L_dist + λ L_budget,  the student  α CE + (1 − α) L_dist,  each for `inner` epochs in turn;
λ rises from λ_min to λ_max over and over, once for each round of both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from sparring.core import Batch, Clock, Losses, Moment, Output, Player, Setting, term
from sparring.core.processes import mean
from sparring.methods.disk_options import FOLLOW, caveats, refuse_idle, refuse_impossible, remark_of, unmixed
from sparring.methods.hints import hint_named
from sparring.nets.origin import origin_of
from sparring.parts.bout import Bout
from sparring.parts.guided import (
    Guided,
    guided_kd,
    guided_kd_released,
    lowest,
    released_delta,
    round_at,
    spent_released,
    temperature_curve,
    wave,
)
from sparring.parts.guides import Kind
from sparring.parts.guides import guide as guide_of
from sparring.parts.part import EVERY, Part, Turns
from sparring.parts.quiet import undisturbed

TEMPERATURES = torch.logspace(-0.30103, 1.0, 64)  # 0.5 … 10, among which T_s is fitted


class Disk(Part):
    """Score the student where a guide finds it able to learn, under a budget.

    alpha: of CE, against 1 − alpha of L_dist; T: the teacher's temperature; T_s: the student's (None: fitted to the
    student as it starts, so that its answers are as close to the teacher's as they can be); k: guarded classes.
    delta: the budget (None: the error of the student as it starts, on the training images; of the release a schedule).
    lambda_min, lambda_max, period: of λ, the period in rounds (None: a quarter of them).
    inner: epochs of a turn, of guide and student alike (None: 3); first: of the guide's first turn (None: inner).
    guide: "mlp", "features", "wide" or "map", see `parts.guides`; bias: of its last layer as it starts; guide_lr: of an
    Adam of its own (None: it descends as the student does, and may run into its sigmoid's end and stay there).
    turns: "alternating", or "joint": both move on every batch, and the budget's gradient reaches the student too.
    hint: a feature loss that is censored as well (eq. 6), "fitnets", "attention", "semckd", "simkd" or file.py:Name,
    its own options as hint.OPTION; hint_weight: of it (None: its own paper's); logits: the weight of α CE + (1 − α)
    L_dist beside it. follow: the paper, or its code (guarded label, own target, budget by the teacher's class, at most
    `worst` an image, over the number of errors, a term more for the guide). Raises ValueError for an
    option that would have no effect.
    """

    needs = frozenset({"target", "features"})
    grid: Tensor
    curve: Tensor
    fitted: Tensor
    errors: Tensor
    lam: Tensor
    seen: Tensor
    bare: tuple[nn.Module] | None = None

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
        inner: float | None = None,
        first: float | None = None,
        guide: Kind | None = None,
        bias: float | None = -2.0,
        guide_lr: float | None = None,
        turns: Literal["alternating", "joint"] = "alternating",
        hint: str | dict[str, Any] = "none",
        hint_weight: float | None = None,
        logits: float = 1.0,
        worst: float | None = None,
        follow: Literal["paper", "release"] = "paper",
    ) -> None:
        super().__init__()
        given = {"T_s": T_s, "k": k, "period": period, "first": first, "guide": guide, "worst": worst}
        given |= {"lambda_min": lambda_min, "lambda_max": lambda_max}
        told: dict[str, Any] = {
            name: FOLLOW[follow].get(name) if value is None else value for name, value in given.items()
        }
        self.joint, self.released = turns == "joint", follow == "release"
        self.hint = hint_named(hint, setting)
        told |= {"alpha": alpha, "T": T, "delta": delta, "inner": inner, "guide_lr": guide_lr, "logits": logits}
        refuse_impossible(hint_weight=hint_weight, **told)
        refuse_idle("turns=joint", self.joint, inner=inner, first=first)
        refuse_idle("hint=none", not self.hint.weight, hint_weight=hint_weight)
        refuse_idle("follow=paper", not self.released, worst=worst)
        if self.joint and ((delta is None and not self.released) or told["T_s"] is None):
            raise ValueError("turns=joint has no phase to measure the student in as it starts: give delta and T_s")
        if not logits and not self.hint.weight:
            raise ValueError("logits=0 leaves the student nothing to learn from: give a hint, or leave logits out")
        refuse_idle("hint_weight=0", hint_weight == 0, hint=hint)
        self.alpha, self.T, self.T_s, self.k, self.delta = alpha, T, told["T_s"], told["k"], delta
        self.low, self.high, self.period = told["lambda_min"], told["lambda_max"], told["period"]
        self.inner = 3.0 if inner is None else inner
        self.first, self.logits, self.worst = told["first"] or self.inner, logits, told["worst"]
        self.guide = guide_of(setting, told["guide"], bias)
        self.adam = None if guide_lr is None else partial(Adam, lr=guide_lr)
        self.hint_weight = self.hint.weight if hint_weight is None else hint_weight
        ranked = self.k if self.k < setting.classes else 0
        self.unmixed = unmixed(released=self.released, delta=delta)
        self.ranked = EVERY if self.released else ranked  # the release's target has the least logit of all
        self.student_taps = self.hint.student_taps
        self.target_taps = tuple(dict.fromkeys([self.guide.tap, *self.hint.target_taps]))
        self.classes = setting.classes
        self.untrained = setting.student is not None and origin_of(setting.student).untrained
        self.register_buffer("grid", TEMPERATURES.clone(), persistent=False)
        self.register_buffer("curve", torch.zeros(len(TEMPERATURES)))
        self.register_buffer("fitted", torch.tensor(T))
        self.register_buffer("errors", torch.zeros(2))  # how many, of how many images
        self.register_buffer("lam", torch.tensor(self.low))
        self.register_buffer("seen", torch.zeros(()))
        self.round = 0

    def forward(self, output: Output, target: Output, batch: Batch) -> Losses:
        """The student's loss, its guide silent: α CE + (1 − α) L_dist, and what is left of a censored hint."""
        with torch.no_grad():
            g = self.guided(target)
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
        if not self.joint and not self.released and self.round == 0:
            self.measure(output.logits if self.bare is None else self.as_given(rows.x), target.logits, rows)
        g = self.guided(target)
        self.seen = g.detach().mean()
        losses = (1 - self.alpha) * self.distance(output, target, g, rows) + self.overspent(output, target, g, rows)
        if self.released:
            losses += (1 - self.alpha) * term("normaliser", torch.log1p(self.k * g).mean())
        return losses

    def guided(self, target: Output) -> Tensor:
        """g(x) of each image (B,)."""
        return self.guide(target.features[self.guide.tap].detach(), target.logits.detach())

    def distance(self, output: Output, target: Output, g: Tensor, batch: Batch) -> Losses:
        """L_dist."""
        return term("dist", self.softened(output, target, batch).distance(g).mean())

    def softened(self, output: Output, target: Output, batch: Batch) -> Guided:
        """What the guide comes between: both answers, and which classes are guarded."""
        s, t, T_s = output.logits, target.logits, self.student_temperature()
        if self.released:
            return guided_kd_released(s, t, batch.y, T=self.T, T_s=T_s, k=self.k)
        return guided_kd(s, t, T=self.T, T_s=T_s, k=self.k)

    def censors(self, output: Output, target: Output, batch: Batch) -> tuple[Tensor, Tensor]:
        """g, and what it takes: of L_dist all but `Guided.left`, of a hint alone g itself."""
        g = self.guided(target)
        return g, 1 - self.softened(output, target, batch).left(g) if self.logits else g

    def overspent(self, output: Output, target: Output, g: Tensor, batch: Batch) -> Losses:
        """λ L_budget, logged as it is descended: whether it is overspent is asked of the batches of all processes."""
        s, t = output.logits, target.logits
        if self.released:
            spent = spent_released(s, t, batch.y, g, self.worst)
        else:
            spent = (g * F.cross_entropy(s, batch.labels, reduction="none")).mean()
        over = mean(spent.detach()) > self.allowed()
        return term("budget", self.lam * torch.where(over, spent - self.allowed(), 0.0))

    def measure(self, s: Tensor, t: Tensor, batch: Batch) -> None:
        """Look at the student as it starts: how often it errs, and how far from the teacher it is at each T_s."""
        wrong = (s.argmax(1) != batch.y).float().sum()
        self.errors = self.errors + mean(torch.stack([wrong, torch.full_like(wrong, len(batch))]))
        if self.T_s is None:
            curve = temperature_curve(s, t, self.T, self.grid)
            self.curve = self.curve + mean((curve - curve.mean()).float())  # a flat curve survives in float32
            self.fitted = lowest(self.grid, self.curve)

    def allowed(self) -> Tensor | float:
        """δ."""
        if self.delta is not None:
            return self.delta
        return released_delta(self.round) if self.released else self.errors[0] / self.errors[1].clamp(min=1)

    def student_temperature(self) -> Tensor | float:
        """T_s."""
        return self.fitted if self.T_s is None else self.T_s

    @property
    def companion(self) -> nn.Module | None:
        return self.hint if self.hint_weight else None

    def dress(self, student: nn.Module) -> nn.Module:
        """The hint's student; of the one that was given a copy stays, for budget and temperature are read off that."""
        given = copy.deepcopy(student).eval().requires_grad_(False)
        dressed = self.hint.dress(student)
        self.bare = None if dressed is student else (given,)  # in a tuple: it is no part of what is trained
        return dressed

    @torch.no_grad()
    def as_given(self, x: Tensor) -> Tensor:
        """What the student answered before it was dressed (B, K)."""
        assert self.bare is not None
        answer: Output = self.bare[0].to(x.device)(x)
        return answer.logits

    def about(self) -> Sequence[str]:
        sees = f"{self.guide.tap} and logits" if self.guide.logits else self.guide.tap
        count = sum(weight.numel() for weight in self.guide.parameters())
        told = [f"guide: the teacher's {sees} → 1 ({count:,} parameters)", *self.hint.about()]
        guarded = (self.k, self.classes) if self.logits else None
        return told + caveats(guarded, untrained=self.untrained, unruly=self.adam is None and not self.logits)

    def players(self, bout: Bout) -> Mapping[str, Player]:
        return {"guide": Player(self.guide, partial(self.advise, bout), self.adam)}

    @property
    def turns(self) -> Turns | None:
        return None if self.joint else self.whose_turn

    def whose_turn(self, clock: Clock) -> Sequence[str]:
        """The guide for `first` epochs, then student and guide for `inner` epochs each, again and again."""
        first, inner = self.lengths(clock)
        return ("guide",) if clock.batch < first or (clock.batch - first) // inner % 2 else ("student",)

    def lengths(self, clock: Clock) -> tuple[int, int]:
        """How many batches the guide's first turn has, and every other one."""
        return max(1, round(self.first * clock.steps_per_epoch)), max(1, round(self.inner * clock.steps_per_epoch))

    def after_step(self, moment: Moment) -> None:
        """λ for the next batch, by the round that it is in: guide and student, in the release student and guide."""
        clock = moment.clock
        if moment.step == clock.total_steps:
            return  # there is no next one, and λ is kept as it was at last
        if self.joint:
            self.round, rounds = moment.step // clock.steps_per_epoch, clock.epochs
        else:
            first, inner = self.lengths(clock)
            self.round = round_at(clock.batch + 1, first, inner, student_first=self.released)
            rounds = clock.total_steps / inner
        self.lam.fill_(wave(self.low, self.high, self.round, self.period or max(2, round(rounds / 4))))
        if self.round:
            self.bare = None  # all that is read off it has been

    def gauges(self) -> Mapping[str, Tensor]:
        """The guide's mean value on its last batch, λ, δ and T_s."""
        told = {"delta": self.allowed(), "T_s": self.student_temperature()}
        return {"guide": self.seen, "lambda": self.lam} | {name: torch.as_tensor(value) for name, value in told.items()}

    def remark(self) -> str | None:
        return remark_of(float(self.seen), logits=bool(self.logits))

    def keepsakes(self) -> Mapping[str, Tensor]:
        """The guide's weights, and T_s, δ and λ as they were at last: all that its loss takes beside the answers."""
        told = {name: value.detach().clone() for name, value in self.gauges().items() if name != "guide"}
        return told | {f"guide.{name}": value for name, value in self.guide.state_dict().items()}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        weights = {name: value for name, value in kept.items() if name.startswith("guide.")}
        self.guide.load_state_dict({name.removeprefix("guide."): value for name, value in weights.items()})
        self.T_s, self.delta = float(kept["T_s"]), float(kept["delta"])
        self.lam.fill_(float(kept["lambda"]))

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.round)

    def set_extra_state(self, state: Tensor) -> None:
        self.round = int(state)
