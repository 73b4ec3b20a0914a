"""DiSK's second toy (A.2): six Gaussians on a grid in the plane, three classes, a student of two hidden units.

Its minima are told apart by the accuracy that a run reaches: 70, 80, 90 or 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from sparring.core import Moment
from sparring.core.seeds import seed_for
from sparring.recipes.disk_toy_game import Name, Reading, Samples, play, steps_per_epoch

CENTRES = ((0.0, 0.0), (1.5, 0.0), (3.0, 0.0), (0.0, 1.5), (1.5, 1.5), (3.0, 1.5))
LABELS = (0, 1, 2, 1, 2, 0)  # red, blue, green
LEVELS = (70, 80, 90, 100)  # % of the test samples
TEACHER = (2, 8, 16, 3)


@dataclass(frozen=True, slots=True)
class Plane:
    """A reading of the second toy: the clusters' standard deviation, the student's hidden width, hidden units of the
    guide (0: linear in what the teacher sees), the teacher's weight decay, whether last layers have a bias (none is
    written in the paper; without one, no student of two hidden units gets the grid right), and how the methods
    train."""

    std: float = 0.05
    hidden: int = 2
    guide: int = 2
    teacher_decay: float = 0.0
    bias: bool = True
    training: Reading = field(default_factory=Reading)


class Norm(nn.Module):
    """BatchNorm of each run's own units: (R, B, H)."""

    mean: Tensor
    var: Tensor

    def __init__(self, runs: int, units: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(runs, 1, units)), nn.Parameter(torch.zeros(runs, 1, units))
        self.register_buffer("mean", torch.zeros(runs, 1, units))
        self.register_buffer("var", torch.ones(runs, 1, units))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
            with torch.no_grad():
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(var * x.shape[1] / (x.shape[1] - 1), 0.1)
        else:
            mean, var = self.mean, self.var
        return (x - mean) * (var + 1e-5).rsqrt() * self.weight + self.bias


class Networks(nn.Module):
    """R perceptrons, each layer but the last with BatchNorm and ReLU and no bias: x (B, D) → (K, R, B)."""

    def __init__(self, runs: int, widths: Sequence[int], chance: torch.Generator, *, bias: bool) -> None:
        super().__init__()
        self.runs = runs
        self.weights = nn.ParameterList(
            (2 * torch.rand(runs, before, after, generator=chance) - 1) / before**0.5
            for before, after in pairwise(widths)
        )
        self.bias = nn.Parameter(torch.zeros(runs, 1, widths[-1]), requires_grad=bias)
        self.norms = nn.ModuleList(Norm(runs, width) for width in widths[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, self.hidden(x), self.weights[-1]).permute(2, 0, 1).contiguous()

    def hidden(self, x: Tensor) -> Tensor:
        """What the last layer sees, (R, B, H)."""
        seen = x.expand(self.runs, *x.shape)
        for weight, norm in zip(list(self.weights)[:-1], self.norms, strict=True):
            seen = norm(seen @ weight).relu()
        return seen


class Taught:
    """A trained network as a teacher: what its last layer sees (B, 16), and its answers (3, B)."""

    def __init__(self, network: Networks) -> None:
        self.network = network.eval()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.hidden(x)
        return features[0], self.network(x)[:, 0]


class Guides(nn.Module):
    """R guides on the teacher's features and logits: a perceptron as the student's, or linear; a sigmoid, (R, B)."""

    def __init__(self, runs: int, width: int, hidden: int, bias: float, chance: torch.Generator) -> None:
        super().__init__()
        self.network = Networks(runs, (width, hidden, 1) if hidden else (width, 1), chance, bias=True)
        nn.init.constant_(self.network.bias, bias)

    def forward(self, features: Tensor, answers: Tensor) -> Tensor:
        return torch.sigmoid(self.network(torch.cat([features, answers.T], 1)).squeeze(0))


def samples(seed: int, part: str, std: float, count: int = 1000) -> tuple[Tensor, Tensor]:
    """x (N, 2) and y (N,): as many of each class, evenly from its two clusters."""
    chance = torch.Generator().manual_seed(seed_for("disk", "clusters", part, seed))
    which = torch.arange(count) % len(CENTRES)
    x = torch.tensor(CENTRES)[which] + std * torch.randn(count, 2, generator=chance)
    return x, torch.tensor(LABELS)[which]


def teach(told: Plane, seed: int) -> Taught:
    """The teacher, trained on the seed's samples as the students are; of five the first that errs on none of them."""
    x, y = samples(seed, "train", told.std)
    reading = replace(told.training, batch=told.training.batch or 100, decay=told.teacher_decay, cosine=True)
    chance = torch.Generator().manual_seed(seed_for("disk", "teacher", seed))
    network = Networks(5, TEACHER, chance, bias=told.bias)
    play("CE", network, nn.Identity(), untaught, Samples(x, y, reading.batch, seed), reading)
    best = int(accuracies(network, x, y).argmax())
    chosen = Networks(1, TEACHER, chance, bias=told.bias)
    chosen.load_state_dict({name: value[best : best + 1] for name, value in network.state_dict().items()})
    return Taught(chosen)


def untaught(x: Tensor) -> tuple[Tensor, Tensor]:
    """No teacher: nothing seen, nothing answered."""
    return x, x.new_zeros(len(set(LABELS)), len(x))


@torch.no_grad()
def accuracies(network: Networks, x: Tensor, y: Tensor) -> Tensor:
    """How much each run has right, (R,) in %."""
    network.eval()
    return 100 * (network(x).argmax(0) == y).float().mean(-1)


def nearest(accuracy: Tensor) -> list[str]:
    """The level in % that each run's accuracy is nearest to."""
    at = (accuracy.unsqueeze(-1) - torch.tensor(LEVELS)).abs().argmin(-1)
    return [str(LEVELS[int(i)]) for i in at]


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of one method: test accuracies (R,) in %, weights flattened along the way (steps, R, P) and at the end,
    the networks, and their guides."""

    accuracy: Tensor
    path: Tensor
    student: Networks
    guide: Guides


def flat(network: Networks) -> Tensor:
    """All parameters of each run, (R, P)."""
    return torch.cat([value.detach().reshape(network.runs, -1) for value in network.parameters()], 1)


def unflat(weights: Tensor, told: Plane) -> Networks:
    """Students with the parameters that `flat` gave, (R, P)."""
    network = Networks(len(weights), (2, told.hidden, 3), torch.Generator(), bias=told.bias)
    with torch.no_grad():
        sizes = [value[0].numel() for value in network.parameters()]
        for value, given in zip(network.parameters(), weights.split(sizes, 1), strict=True):
            value.copy_(given.reshape(value.shape))
    return network


def learn(
    name: Name,
    told: Plane,
    teacher: Taught,
    *,
    seed: int,
    runs: int = 100,
    seen: int = 60,
    begin: Networks | None = None,
) -> Learned:
    """Train `runs` students by one method on the seed's samples, from the seed's weights or from those of `begin`."""
    x, y = samples(seed, "train", told.std)
    chance = torch.Generator().manual_seed(seed_for("disk", "students", seed))
    student = Networks(runs, (2, told.hidden, 3), chance, bias=told.bias)
    if begin is not None:
        student.load_state_dict(begin.state_dict())
    guide = Guides(runs, TEACHER[-2] + TEACHER[-1], told.guide, told.training.bias, chance)
    stream = Samples(x, y, told.training.batch, seed)
    steps = told.training.epochs * steps_per_epoch(stream, told.training)
    path = [flat(student)]

    def watch(moment: Moment) -> None:
        if moment.counted and moment.step % max(1, steps // seen) == 0:
            path.append(flat(student))

    play(name, student, guide, teacher, stream, told.training, [watch])
    test = accuracies(student, *samples(seed, "test", told.std))
    return Learned(test, torch.stack([*path, flat(student)]), student, guide.eval())
