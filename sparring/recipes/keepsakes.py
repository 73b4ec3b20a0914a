"""What a run keeps beside its student: its parts' keepsakes, and the pictures that these parts offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring import data as datasets
from sparring.core import Batch
from sparring.core.mode import mode
from sparring.core.seeds import seed_for
from sparring.errors import UserError
from sparring.files import atomic
from sparring.nets import weights
from sparring.parts.bout import Bout
from sparring.parts.part import Stage, met
from sparring.recipes.build import Prepared
from sparring.recipes.censored import censored
from sparring.recipes.config import Config

KEEPSAKES = "parts.safetensors"
AUGMENTOR, GUIDE = "augmentor.npz", "guide.npz"
IMAGES = 8
SNAPSHOTS, DRAWS = 8, 3  # rows of the picture: snapshots at most, and draws of noise for the last of them


def keep(prepared: Prepared, out: Path, *, warn: Callable[[str], None]) -> None:
    """Write the parts' keepsakes into the run directory `out`, and pictures made with them; nothing without any."""
    kept = prepared.method.keepsakes()
    if not kept:
        return
    weights.write_tensors(kept, out / KEEPSAKES, {})
    data = prepared.data
    part = data.test or data.validation or data.train
    try:
        for name, found in drawn(prepared.config, data, prepared.method, part, kept, learned=True).items():
            write_pictures(found, out / name)
    except UserError as error:
        warn(f"{out} has no pictures: {error}")


def drawn(
    config: Config,
    data: datasets.Data,
    method: Bout,
    part: datasets.Images,
    kept: Mapping[str, Tensor],
    count: int = IMAGES,
    *,
    learned: bool = False,
) -> dict[str, dict[str, np.ndarray]]:
    """The pictures that a method's parts offer of the images of `part`, by the file that a run keeps them in.

    Of its perturbation (`pictures`) where it changes images, if `learned` only where it has learned to; of its
    objective (`censored`) where that leaves images out.
    """
    found = {}
    if keeps(kept, "perturb") or (not learned and config.perturb["name"] != "clean"):
        found[AUGMENTOR] = pictures(config, data, method, part, kept, count)
    if keeps(kept, "objective") and (told := censored(method, data, part, count, config.workers)) is not None:
        found[GUIDE] = told
    return found


def keeps(kept: Mapping[str, Tensor], slot: str) -> bool:
    """Whether some keepsakes are those of the part in a slot."""
    return any(name.startswith(f"{slot}.") for name in kept)


def pictures(
    config: Config,
    data: datasets.Data,
    method: Bout,
    part: datasets.Images,
    kept: Mapping[str, Tensor],
    count: int = IMAGES,
) -> dict[str, np.ndarray]:
    """Some images and what a method's perturbation makes of them, over the training where its keepsakes tell.

    part: where the images are taken from, of as many classes as can be; count: how many. Returns images (R, N, C, H, W)
    float16, of which row 0 holds the originals; rows (R,), what each row is; joined (R, 2), the batches and steps of
    the training that were over then, -1 where a row is of no time; titles (N,), the images' classes. All rows see the
    same noise but for those that say otherwise, so that they can be compared.
    """
    device = next(method.student.parameters()).device
    some = part.take(of_each_class(part.y.cpu().numpy(), count)).to(device)
    batch = next(iter(datasets.batches(some, batch_size=len(some), device=device)))
    own = {name.removeprefix("perturb."): value for name, value in kept.items() if name.startswith("perturb.")}
    found = method.perturb.stages(own) or [Stage(lambda x: as_it_is(method, batch.at(x)))]
    per_epoch = max(1, len(data.train) // config.batch_size)
    rows, joined, shown = ["originals"], [(-1, -1)], [batch.x]
    with mode(method, training=False):
        for stage, draw in timed(found):
            with chance(seed_for("pictures", config.seed, draw), device):
                seen = stage.change(batch.x).detach()
            told = "the same, drawn again" if draw else named(stage, per_epoch, learned=bool(own))
            rows.append(told + (" (unmoved)" if torch.equal(seen, batch.x) else ""))
            joined.append(stage.joined or (-1, -1))
            shown.append(seen)
    return {
        "images": torch.stack(shown).float().cpu().numpy().astype(np.float16),
        "rows": np.array(rows),
        "joined": np.array(joined),
        "titles": np.array([data.class_names[label] for label in batch.y.tolist()]),
    }


def timed(found: Sequence[Stage]) -> Iterator[tuple[Stage, int]]:
    """The stages to be shown, evenly spaced, each with the number of its draw of noise: some draws of the last
    snapshot, or of the only stage there is."""
    *past, final = found
    spread = np.linspace(0, len(past) - 1, min(len(past), SNAPSHOTS)).round().astype(int)
    chosen = [past[at] for at in spread]
    often = chosen[-1] if chosen else final
    for stage in [*chosen, final]:
        for draw in range(DRAWS if stage is often else 1):
            yield stage, draw


def named(stage: Stage, per_epoch: int, *, learned: bool) -> str:
    """What a row of pictures is: when its stage was."""
    if stage.joined is None:
        return "at the end" if learned else "as the student sees them"
    if stage.joined == (0, 0):
        return "as it began"
    return f"step {stage.joined[1]:,} (epoch {stage.joined[1] / per_epoch:.2g})"


def as_it_is(method: Bout, batch: Batch) -> Tensor:
    """What a method's perturbation makes of a batch now (B, C, H, W)."""
    return met(method.perturb(batch, method.student, method.targets), batch).x


def of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` rows, or all there are: one of each class before the second of any; of too many classes, spread ones."""
    order = np.argsort(labels, kind="stable")
    classes = labels[order]
    number_in_class = np.arange(len(labels)) - np.searchsorted(classes, classes)
    turns = order[np.lexsort((classes, number_in_class))]
    there = len(np.unique(labels))
    if count < there:
        return turns[np.linspace(0, there - 1, count).round().astype(int)]
    return turns[:count]


def write_pictures(found: Mapping[str, np.ndarray], path: Path) -> None:
    """Write `pictures` as a compressed npz, atomically."""
    with atomic(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **found)


@contextmanager
def chance(seed: int, device: torch.device) -> Iterator[None]:
    """Chance that follows from `seed` alone, without a trace in anyone else's."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
