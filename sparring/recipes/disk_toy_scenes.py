"""The losses that the runs of DiSK's toys went down, and what their guides censored, for the report to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sparring.recipes import disk_toy_line as line
from sparring.recipes import disk_toy_plane as plane
from sparring.recipes.disk_toy_game import METHODS, Reading, costs
from sparring.recipes.disk_toy_line import Line
from sparring.recipes.disk_toy_plane import Plane
from sparring.report.disk_toys import Landscape, Scene

FINE, COARSE = 91, 41  # points along a side of a landscape, of networks


def losses(s: Tensor, t: Tensor, y: Tensor, g: Tensor, told: Reading) -> dict[str, Tensor]:
    """Each method's loss of some students (R,): s (K, R, B), t (K, B), y (B,); g (B,) is DiSK's guide."""
    guides = {name: g.expand(s.shape[1], -1) if name == "DiSK" else None for name in METHODS}
    return {name: costs(name, s, t, y, guides[name], told).mean(-1) for name in METHODS}


def on_line(told: Line, seed: int, found: Mapping[str, line.Learned], kinds: Sequence[str]) -> Scene:
    """Over the student's two ends; DiSK's loss under the guide as it was on the mean over runs and training."""
    guide = found["DiSK"].guide
    assert guide is not None
    x = torch.linspace(0, line.LENGTH, guide.shape[-1])
    mean = guide.mean((0, 1))
    side, loss = over_ends(told, seed, mean)
    told_of = {
        name: Landscape(side, side, loss[name], each.path.numpy(), which(line.nearest(each.path[-1]), kinds))
        for name, each in found.items()
    }
    marks = {name: (float(a), float(b)) for name, (a, b) in line.MINIMA.items()}
    return Scene(
        told_of, ("a, where the student's interval begins", "b, where it ends"), marks, (x.numpy(), times(guide))
    )


def times(guide: Tensor) -> dict[str, np.ndarray]:
    """The mean guide over the runs at some times, (times, R, n) → a curve (n,) for each, and the mean over all."""
    last = len(guide) - 1
    at = {f"{round(100 * share)} % of the training": round(share * last) for share in (0.05, 0.25, 0.5, 1.0)}
    return {name: guide[number].mean(0).numpy() for name, number in at.items()}


def over_ends(told: Line, seed: int, g: Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The losses over (a, b), a < b, and the ends that a and b take; g is over the line, as on the training points."""
    x, y = line.points(seed)
    _, t = line.Oracle(told)(x)
    at = g[(x.squeeze(1) / line.LENGTH * (len(g) - 1)).round().long()]
    side = torch.linspace(0, line.LENGTH, FINE)
    values = {name: np.full((FINE, FINE), np.nan) for name in METHODS}
    for row in range(1, FINE):  # a row at a time: all at once would fill gigabytes
        student = line.Intervals(torch.stack([side[:row], side[row].expand(row)], 1), told)
        with torch.no_grad():
            for name, loss in losses(student(x), t, y, at, told.training).items():
                values[name][row, :row] = loss.numpy()
    return side.numpy(), values


def which(found: Sequence[str], kinds: Sequence[str]) -> list[int]:
    """The position of each run's end among the kinds."""
    return [list(kinds).index(each) for each in found]


def on_plane(
    told: Plane, seed: int, teacher: plane.Taught, found: Mapping[str, plane.Learned], kinds: Sequence[str]
) -> Scene:
    """Over the plane through three runs' ends, BatchNorm by the samples; of the paths those of the three, in each
    method from the same starts."""
    x, y = plane.samples(seed, "train", told.std)
    chosen = three(found["CE"], kinds)
    corners = found["CE"].path[-1][chosen]
    origin, basis = corners[0], span(corners)
    with torch.no_grad():
        g = found["DiSK"].guide(*teacher(x)).mean(0)
    flat = ((corners - origin) @ basis.T).numpy()
    paths = {name: ((each.path[:, chosen] - origin) @ basis.T).numpy() for name, each in found.items()}
    across, up = (sides(np.concatenate([path[..., axis].ravel() for path in paths.values()])) for axis in (0, 1))
    loss = over_weights(told, origin, basis, (across, up), (x, teacher(x)[1], y, g))
    told_of = {
        name: Landscape(across, up, loss[name], paths[name], which(plane.nearest(each.accuracy[chosen]), kinds))
        for name, each in found.items()
    }
    ends = plane.nearest(found["CE"].accuracy[chosen])
    marks = {f"CE, {end} %": (float(a), float(b)) for end, (a, b) in zip(ends, flat, strict=True)}
    names = ("through the ends of three CE runs, first direction", "second direction")
    return Scene(told_of, names, marks, plane=over_inputs(found["DiSK"].guide, teacher, x, y))


def three(learned: plane.Learned, kinds: Sequence[str]) -> list[int]:
    """Three runs, of different ends where there are so many, the worst first."""
    ends = plane.nearest(learned.accuracy)
    firsts = [ends.index(kind) for kind in kinds if kind in ends]
    rest = [run for run in range(len(ends)) if run not in firsts]
    return (firsts[:2] + firsts[-1:] if len(firsts) > 3 else firsts + rest)[:3]


def span(corners: Tensor) -> Tensor:
    """Two orthonormal directions (2, P) of the plane through three points (3, P)."""
    first = torch.nn.functional.normalize(corners[-1] - corners[0], dim=0)
    other = corners[1] - corners[0]
    return torch.stack([first, torch.nn.functional.normalize(other - (other @ first) * first, dim=0)])


def sides(values: np.ndarray) -> np.ndarray:
    """Points along a side that holds all values, with a margin."""
    low, high = float(values.min()), float(values.max())
    return np.linspace(low - 0.12 * (high - low), high + 0.12 * (high - low), COARSE)


def over_weights(
    told: Plane,
    origin: Tensor,
    basis: Tensor,
    axes: tuple[np.ndarray, np.ndarray],
    asked: tuple[Tensor, Tensor, Tensor, Tensor],
) -> dict[str, np.ndarray]:
    """The losses (len(up), len(across)) of the networks of the plane; asked: x, t, y and g."""
    x, t, y, g = asked
    up, across = np.meshgrid(axes[1], axes[0], indexing="ij")
    at = torch.from_numpy(np.stack([across.ravel(), up.ravel()], 1)).float()
    found: dict[str, list[Tensor]] = {name: [] for name in METHODS}
    for some in (origin + at @ basis).split(200):
        networks = plane.unflat(some, told)
        with torch.no_grad():
            for name, loss in losses(networks.train()(x), t, y, g, told.training).items():
                found[name].append(loss)
    return {name: torch.cat(each).view(up.shape).numpy() for name, each in found.items()}


def over_inputs(
    guide: plane.Guides, teacher: plane.Taught, x: Tensor, y: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The mean guide over the plane of inputs: across, up, g (up, across), and the samples."""
    across, up = torch.linspace(-0.7, 3.7, 111), torch.linspace(-0.7, 2.2, 73)
    at = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1).view(-1, 2)
    with torch.no_grad():
        g = guide(*teacher(at)).mean(0).view(len(up), len(across))
    return across.numpy(), up.numpy(), g.numpy(), x.numpy(), y.numpy()
