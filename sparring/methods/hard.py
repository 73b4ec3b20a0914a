"""Hard Augmentations for Robust Distillation (Nix, Burg & Sinz 2023): a learned augmentor changes what the student
sees and keeps what the teacher sees, in phases that alternate with the student's.

    x̃ = g_a(x; ε),     L_st = T² KL(t(x̃) ‖ s(x̃))  (eq. 1),     L_tt = T² KL(t(x) ‖ t(x̃))  (eq. 2)

    the augmentor descends  −λ_s L_st + λ_t L_tt  (eq. 3)   until the student's error on its images is above ℓ_max,
    the student descends its objective at x̃                 until that error is below ℓ_min,

each for c batches in a row. Each time the augmentor gets there a snapshot of it joins a pool, and the student meets an
augmentor drawn uniformly from the pool in each step. The paper leaves much open and no code is public: the options say
what was read into it, and docs/hard.md what was measured for each reading.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Adam, Optimizer

from sparring.core import Batch, Clock, Losses, Moment, Output, Player, Setting, term
from sparring.core.processes import mean
from sparring.methods.augmentors import made
from sparring.parts import divergences
from sparring.parts.augmentors.augmentor import distance
from sparring.parts.bout import Bout
from sparring.parts.part import Part, Stage, Targets, Turns
from sparring.parts.phases import Phases, Rules
from sparring.parts.pool import Pool

Yardstick = Literal["labels", "teacher", "loss"]
THRESHOLDS: dict[str, tuple[float, float]] = {"vae": (10.0, 60.0), "vae-affine": (10.0, 60.0)}  # else (5, 40)
KEPT, KEPT_BYTES = 16, 64 << 20  # snapshots that a finished run keeps at most, where they are more than two


def gap(s: Tensor, t: Tensor, T: float, measure: Literal["kl", "mse"]) -> Tensor:
    """D[t ‖ s] of eq. 1 and 2 (): T² KL of the softened answers, or their mean squared difference (the toy's)."""
    return divergences.kd(s, t, T) if measure == "kl" else F.mse_loss(s, t)


def error(s: Tensor, t: Tensor | None, batch: Batch, yardstick: Yardstick, gap: Callable[..., Tensor]) -> Tensor:
    """How badly the student does on a batch (): in % against labels or the teacher's answers, or as the loss L_st."""
    if yardstick == "loss" and t is not None:
        return gap(s, t)
    right = t.argmax(1) if yardstick == "teacher" and t is not None else named(batch)
    return 100 * (s.argmax(1) != right).float().mean()


def named(batch: Batch) -> Tensor:
    """The class that each label names (B,), of mixed ones the largest share."""
    return batch.y if batch.shares is None else batch.shares.argmax(1)


def refuse_idle(why: str, **options: object) -> None:
    """Raise ValueError for an option that is set and could do nothing."""
    defaults = inspect.signature(Hard).parameters
    for name, value in options.items():
        if value != defaults[name].default:
            raise ValueError(f"{name}={value} does nothing: {why}; leave it out")


class Hard(Part):
    """Learn from images that a learned augmentor has changed, in alternating phases (or both at once).

    augmentor: its kind; start, covariance, mean: of affine (start: gaussian too); patch, dim, group, own: of mix; vae,
    first: of vae and vae-affine (`vae` is a run of `sparring train-augmentor`, or diffusers:NAME).
    T, measure: of L_st and L_tt; lambda_s, lambda_t: their weights in eq. 3; lr: of the augmentor's Adam, by default
    what suits its kind. turns: "phases", or "joint": both move on every batch. begin: whose phase is the first; if the
    student's, the first augmentor meets a student that knows something. head_start: the part of the training after
    which that phase ends at the latest, where the data are too hard for l_min.
    l_min, l_max: thresholds of the error, in % (by kind: 10 and 60 with a VAE, else 5 and 40); patience: c; error:
    against the "labels", the "teacher", or the "loss" L_st itself (thresholds in its units then).
    cap: batches after which a phase of the augmentor that does not reach l_max is given up, without a snapshot, for at
    least `rest` steps of the student; student_cap: the same for the student's phase; 0 for never.
    fresh: what begins anew with each phase of the augmentor: nothing, its "optimiser", or the "augmentor" too.
    pool: how many snapshots are kept at most; start_in_pool: whether the augmentor as it begins is the first of them.
    """

    needs = frozenset({"target"})
    asks_moving = True

    def __init__(
        self,
        setting: Setting,
        *,
        augmentor: str = "affine",
        start: float | None = None,
        covariance: Literal["diagonal", "full"] | None = None,
        mean: Literal["learned", "identity"] | None = None,
        patch: int | None = None,
        dim: int | None = None,
        group: int | None = None,
        own: float | None = None,
        vae: str | None = None,
        first: int | None = None,
        T: float = 5.0,
        measure: Literal["kl", "mse"] = "kl",
        lambda_s: float = 1.0,
        lambda_t: float = 1.0,
        lr: float | None = None,
        turns: Literal["phases", "joint"] = "phases",
        begin: Literal["augmentor", "student"] = "student",
        head_start: float = 0.25,
        l_min: float | None = None,
        l_max: float | None = None,
        patience: int = 5,
        error: Yardstick = "labels",
        cap: int = 200,
        rest: int = 800,
        student_cap: int = 0,
        fresh: Literal["nothing", "optimiser", "augmentor"] = "nothing",
        pool: int | None = None,
        start_in_pool: bool = True,
    ) -> None:
        super().__init__()
        if T <= 0 or (lr is not None and lr <= 0):
            raise ValueError(f"T is {T:g} and lr is {lr}: give a temperature and a learning rate above 0")
        if lambda_s <= 0 or lambda_t < 0:
            raise ValueError(f"lambda_s is {lambda_s:g} and lambda_t {lambda_t:g}: give one above 0, and one not below")
        if not 0 < head_start <= 1:
            raise ValueError(f"head_start is {head_start:g}: give the part of the training, above 0 and at most 1")
        if error == "loss" and (l_min is None or l_max is None):
            raise ValueError("error=loss is held against thresholds in its own units: give perturb.l_min and l_max too")
        if turns == "joint":
            rules = {"l_min": l_min, "l_max": l_max, "patience": patience, "cap": cap, "student_cap": student_cap}
            pooled = {"pool": pool, "start_in_pool": start_in_pool, "begin": begin, "fresh": fresh}
            refuse_idle("with turns=joint there are no phases", **rules, **pooled, rest=rest, head_start=head_start)
        if begin == "augmentor":
            refuse_idle("the student's phase is not the first", head_start=head_start)
        if cap == 0:
            refuse_idle("with cap=0 no phase is given up", rest=rest)
        low, high = THRESHOLDS.get(augmentor, (5.0, 40.0))
        low, high = low if l_min is None else l_min, high if l_max is None else l_max
        if low <= 0 or (high >= 100 and error != "loss"):
            raise ValueError(
                f"l_min is {low:g} and l_max {high:g}: an error below the one or above the other never is; give an "
                "l_min above 0, and an l_max below 100 where it is in %"
            )
        of_kind = {"start": start, "covariance": covariance, "patch": patch, "dim": dim, "group": group, "own": own}
        self.augmentor = made(setting, augmentor, **of_kind, mean=mean, vae=vae, first=first)
        self.gap, self.lambda_s, self.lambda_t = partial(gap, T=T, measure=measure), lambda_s, lambda_t
        self.yardstick: Yardstick = error
        self.lr, self.joint, self.fresh, self.head_start = lr, turns == "joint", fresh, head_start
        self.phases = Phases(Rules(low, high, patience, cap, student_cap, rest), attacking=begin == "augmentor")
        self.pool = Pool(pool)
        self.start = {name: value.detach().clone() for name, value in self.augmentor.learned().items()}
        if start_in_pool and not self.joint:
            self.pool.add(self.start, (0, 0))
        self.seen: dict[str, Tensor] = {}
        self.adam: Optimizer | None = None

    def forward(self, batch: Batch, student: nn.Module, targets: Targets) -> Tensor:
        """The student's phase: an augmentor from the pool, and the images as they are before there is any."""
        with torch.no_grad():
            if self.joint:
                return self.augmentor(batch.x)
            if not len(self.pool):
                return batch.x
            return self.as_it_was(self.pool.draw(batch.x.device), batch.x)

    def as_it_was(self, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """What the augmentor made of images (B, C, H, W) when its learned parameters were these."""
        return functional_call(self.augmentor, {name: value.to(x.device) for name, value in parameters.items()}, (x,))

    def attack(self, bout: Bout, batch: Batch) -> Losses:
        """The augmentor's phase, eq. 3: gradients reach it through the teacher and the student, who do not move."""
        self.begin_anew()
        x = self.augmentor(batch.x)
        s, t = bout.student(x).logits, bout.targets(x, batch).logits
        losses = -self.lambda_s * term("st", self.gap(s, t))
        if self.lambda_t:
            with torch.no_grad():
                clean = bout.targets(batch.x, batch).logits
            losses += self.lambda_t * term("tt", self.gap(t, clean))
        self.note(s.detach(), t.detach(), batch)
        return losses

    def hear(self, batch: Batch, output: Output, target: Output | None) -> None:
        """The student's phase: how it did on the augmented images."""
        self.note(output.logits, None if target is None else target.logits, batch)

    def note(self, s: Tensor, t: Tensor | None, batch: Batch) -> None:
        """Remember how student and teacher did on these images."""
        self.seen["error"] = error(s, t, batch, self.yardstick, self.gap)
        if t is not None and t.shape[1] > 1:
            self.seen["teacher_error"] = 100 * (t.argmax(1) != named(batch)).float().mean()

    def players(self, bout: Bout) -> Mapping[str, Player]:
        return {"augmentor": Player(self.augmentor, partial(self.attack, bout), self.make_adam)}

    def make_adam(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Adam for the augmentor's learned parameters, each kind at its own rate."""
        groups = self.augmentor.groups()
        self.adam = Adam([{**group, "lr": group["lr"] if self.lr is None else self.lr} for group in groups])
        return self.adam

    @property
    def turns(self) -> Turns | None:
        return None if self.joint else self.whose_phase

    def whose_phase(self, clock: Clock) -> Sequence[str]:
        """The augmentor alone or the student alone."""
        return ("augmentor",) if self.phases.attacking else ("student",)

    def after_step(self, moment: Moment) -> None:
        """Let the phases advance: the one place where a step waits for the device, since who moves next hangs on it."""
        if self.joint:
            return
        state, clock = self.phases.state, moment.clock
        alone = not state.attacking and state.phases == 1
        enough = alone and self.head_start * clock.total_steps <= moment.step < clock.total_steps
        if self.phases.advance(float(mean(self.seen["error"])), enough=enough):
            self.pool.add(self.augmentor.learned(), (clock.batch + 1, moment.step))

    @torch.no_grad()
    def begin_anew(self) -> None:
        """On the first batch of a later phase of the augmentor: forget what `fresh` says."""
        if self.joint or self.phases.state.length or self.phases.state.phases == 1:
            return
        if self.fresh == "augmentor":
            for name, parameter in self.augmentor.learned().items():
                parameter.copy_(self.start[name])
        if self.fresh != "nothing" and self.adam is not None:
            self.adam.state.clear()

    def most_bytes(self, steps: int) -> int:
        """What the pool may grow to: a snapshot for each phase of the student, which lasts c steps or its cap."""
        if self.joint:
            return 0
        rules = self.phases.rules
        count = steps // min(rules.patience, rules.defence_cap or rules.patience) + 1
        each = sum(value.numel() * value.element_size() for value in self.start.values())
        return each * (count + len(self.pool) if self.pool.cap is None else min(count, self.pool.cap))

    def remark(self) -> str | None:
        """Say where no phase of the augmentor succeeded: what was trained then is KD."""
        if self.joint or any(batches for batches, _ in self.pool.joined):
            return None
        state, rules = self.phases.state, self.phases.rules
        if state.phases == 1 and not state.attacking:
            return (
                f"the augmentor never moved: the student's error was never below l_min={rules.low:g} for "
                f"{rules.patience} batches in a row, so nobody met a learned augmentor; train longer, or raise "
                "perturb.l_min or lower perturb.head_start"
            )
        return (
            f"the student met no learned augmentor: of {state.given_up} phases of the augmentor none reached "
            f"l_max={rules.high:g}; lower perturb.l_max, or raise perturb.cap"
        )

    def gauges(self) -> Mapping[str, Tensor]:
        """error and teacher_error of the last batch in %, the augmentor's distance from its start; and of the phases:
        attacking (1 in the augmentor's phase), the pool's size, how many there were and how many were given up, and
        the thresholds of the error."""
        told = {**self.seen, "distance": distance(self.augmentor.learned(), self.start)}
        if not self.joint:
            state, rules = self.phases.state, self.phases.rules
            counts = {"attacking": state.attacking, "phases": state.phases, "given_up": state.given_up}
            counts |= {"pool": len(self.pool), "l_min": rules.low, "l_max": rules.high}
            told |= {name: torch.tensor(float(count)) for name, count in counts.items()}
        return told

    def keepsakes(self) -> Mapping[str, Tensor]:
        """The augmentor's learned parameters at the end ("final.NAME") and some of its snapshots ("pool.0.NAME", …)."""
        final = {f"final.{name}": parameter.detach() for name, parameter in self.augmentor.learned().items()}
        return final | {f"pool.{name}": value for name, value in self.pool.keepsakes(KEPT, KEPT_BYTES).items()}

    def stages(self, kept: Mapping[str, Tensor]) -> Sequence[Stage]:
        """The augmentor as each snapshot kept has it, and as it was at the end."""
        by_name: dict[str, dict[str, Tensor]] = {}
        for key, value in kept.items():
            at, _, name = key.removeprefix("pool.").partition(".")
            by_name.setdefault(at, {})[name] = value
        final = Stage(partial(self.as_it_was, by_name.pop("final")))
        found = []
        for _, parameters in sorted(by_name.items(), key=lambda item: int(item[0])):
            batch, step = parameters.pop("joined").tolist()
            found.append(Stage(partial(self.as_it_was, parameters), (batch, step)))
        return [*found, final]
