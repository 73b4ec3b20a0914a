"""HARD's learned augmentor before it augments: a variational autoencoder trained on a data set's images alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import log, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparring import data as datasets
from sparring.core import Batch, Clock, Losses, Method, Player, UserError
from sparring.core.losses import term
from sparring.core.mode import mode
from sparring.core.seeds import chance_restored, seed_for
from sparring.engine import Checkpoints, Compute
from sparring.engine.device import choose_device, peak_memory
from sparring.engine.processes import at_first, together
from sparring.evaluate import parameters
from sparring.files import read_json, write_json
from sparring.nets import autoencoders
from sparring.nets.spec import AUGMENTOR
from sparring.nets.vdvae import VDVAE, vdvae
from sparring.recipes.build import Given, find_data, precision
from sparring.recipes.config import Config, Optim
from sparring.recipes.folder import begun, claim_folder, refuse_other_run
from sparring.recipes.judge import Exams
from sparring.recipes.keeper import Record
from sparring.recipes.manifest import manifest
from sparring.recipes.paths import anchored
from sparring.recipes.rehearse import rehearse
from sparring.recipes.run import saying_what_is_kept, train, training_stream
from sparring.report.gallery import gallery

METHOD = "autoencoder"  # what config.yaml calls such a run's method
DEFAULTS = Config(
    method=METHOD,
    epochs=3,
    augment="none",
    optim=Optim(name="adamw", lr=2e-3, weight_decay=0.01, schedule="cosine", warmup=0.05, clip=200.0),
)
UNUSED = (
    *("teacher", "perturb", "targets", "objective", "normalise", "teacher_normalise", "protocol", "compile"),
    *("cache", "cache_keep", "gradients"),
)
SHOWN = 10  # images in a row of the picture


class Autoencoding(Method):
    """One player, a very deep VAE; its loss is the negative evidence lower bound in bits per pixel and channel."""

    def __init__(self, vae: VDVAE) -> None:
        super().__init__()
        self.vae = vae

    @property
    def players(self) -> Mapping[str, Player]:
        return {"vae": Player(self.vae, self.loss)}

    def turns(self, clock: Clock) -> Sequence[str]:
        return ("vae",)

    def loss(self, batch: Batch) -> Losses:
        """KL ("rate") and negative log-likelihood ("distortion") of a batch, both in bits per pixel and channel."""
        rate, distortion = (cost.mean() / bits(self.vae.shape) for cost in self.vae.costs(batch.x))
        return term("rate", rate) + term("distortion", distortion)


def bits(shape: tuple[int, int, int]) -> float:
    """How many nats of an image (C, H, W) are one bit per pixel and channel."""
    return prod(shape) * log(2)


@dataclass(frozen=True, slots=True)
class Making:
    """A run that trains an autoencoder, ready to go: neither a teacher nor a student in it."""

    config: Config
    data: datasets.Data
    method: Autoencoding
    compute: Compute
    teacher: None = None
    student: None = None
    layers: tuple[()] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Augmentor:
    """What such a run leaves: the trained `vae`; metrics, the contents of result.json; out, its folder."""

    vae: nn.Module
    metrics: Mapping[str, Any]
    out: Path

    def __repr__(self) -> str:
        return f"Augmentor({self.metrics['student']} of {self.metrics['data']}, in {self.out})"


@chance_restored()
def train_augmentor(
    config: Config,
    out: Path | str,
    *,
    given: Given | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 30.0,
) -> Augmentor:
    """Train the autoencoder `config.student` on the images of `config.data` and fill the run directory `out`.

    config: `DEFAULTS` with changes. given: a data set handed over from Python. The rest as in `recipes.run.run`.
    """
    out = Path(out)
    with together(), saying_what_is_kept(out):
        at_first(lambda: claim_folder(out, resume))
        making = prepare(anchored(config), given or Given())
        origin = manifest(making)
        refuse_other_run(out, making.config, origin)
        if not (resume and (out / "result.json").exists()):
            stream = training_stream(making)
            rehearse(making, next(iter(stream(0))))
            exams = {"validation": Exam(making, making.data.validation)} if making.data.validation else {}
            with ExitStack() as held:
                at_first(lambda: held.enter_context(begun(out, making, origin, resume=resume)))
                conclude(making, train(making, stream, out, exams, checkpoint_seconds), exams, out)
            at_first(Checkpoints(out / "checkpoints").clear)
        vae = autoencoders.load(out, making.data.shape)
        return Augmentor(vae, read_json(out / "result.json"), out)


def prepare(config: Config, given: Given) -> Making:
    """Make all that `config` names. Raises UserError for whatever does not exist or fit, or is not for such a run."""
    if config.threads:
        torch.set_num_threads(config.threads)
    plain = Config()
    if config.method not in (METHOD, plain.method):
        raise UserError(f"train-augmentor takes no --method, and {config.method} was given; leave it out")
    if foreign := [key for key in UNUSED if getattr(config, key) != getattr(plain, key)]:
        raise UserError(f"{foreign[0]} was given, and an autoencoder is trained without it; leave it out")
    if config.optim.schedule == "plateau":
        raise UserError(
            "optim.schedule=plateau waits for validation accuracy, which an autoencoder has not; try cosine"
        )
    if not config.student:
        raise UserError("no autoencoder was given: pass --net, vdvae-mnist, vdvae-small or vdvae-cifar10")
    config = given.told_to(config).model_copy(update={"method": METHOD})
    data = find_data(config, given)
    compute = Compute(choose_device(config.device))
    torch.manual_seed(seed_for("initial weights", config.seed))
    vae = vdvae(config.student, data.shape)
    compute = Compute(compute.device, *precision(config, compute, vae))
    method = Autoencoding(vae)
    compute.place_module(method)
    return Making(config, data, method, compute)


class Exam:
    """Scores an autoencoder on a part of the data. Its chance is its own, so the same weights get the same score."""

    def __init__(self, making: Making, part: datasets.Images) -> None:
        self.making, self.compute, self.vae = making, making.compute, making.method.vae
        self.batches = datasets.batches(
            part.to(self.compute.device), device=self.compute.device, workers=making.config.workers
        )

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """Means over images: bits per pixel and channel (an upper bound of what the images' own code takes), the ELBO
        and its KL in nats, and the squared error of the reconstruction from a drawn latent, pixels in [0, 1]."""
        sums: list[Tensor] = []
        with own_chance(self.making), mode(self.vae, training=False), self.compute.autocast():
            for batch in self.batches:
                batch = self.compute.place(batch)
                rate, distortion, again = self.vae.judged(batch.x)
                error = (again - batch.x).square().mean((1, 2, 3))
                sums.append(torch.stack([rate + distortion, rate, error]).double().sum(1))
        nats, rate, error = (torch.stack(sums).sum(0) / len(self.batches.part)).tolist()
        return {"bits_per_dim": nats / bits(self.vae.shape), "elbo": -nats, "kl": rate, "mse": error}


@contextmanager
def own_chance(making: Making) -> Iterator[None]:
    """Chance that follows from the run's seed alone, without a trace in anyone else's."""
    device = making.compute.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        making.compute.reseed(seed_for("exam", making.config.seed))
        yield


def conclude(making: Making, record: Record, exams: Exams, out: Path) -> None:
    """Read the test images, once, and write down what came of the run."""
    config, data, vae = making.config, making.data, making.method.vae
    result = {
        "method": METHOD,
        "student": config.student,
        "data": config.data,
        "seed": config.seed,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "images": {"train": len(data.train), "validation": len(data.validation or ()), "test": len(data.test or ())},
        "shape": data.shape,
        "validation": record.last or None,
        "test": Exam(making, data.test)() if data.test else None,
        "parameters": parameters(vae),
        "seconds": record.seconds,
        "images_per_second": record.step * config.batch_size / max(record.seconds, 1e-9),
        "peak_memory_bytes": peak_memory(making.compute.device),
    }

    def write() -> None:
        gallery(pictures(making), out / "reconstructions.png")
        autoencoders.save(vae, out / AUGMENTOR)
        write_json(out / "result.json", result)

    at_first(write)


@torch.no_grad()
def pictures(making: Making) -> dict[str, np.ndarray]:
    """Held-out images, their reconstructions from two draws and from the posteriors' means, and images made anew."""
    data, vae, compute = making.data, making.method.vae, making.compute
    part = data.test or data.validation or data.train
    batch = compute.place(next(iter(datasets.batches(part.take(np.arange(min(SHOWN, len(part))))))))
    with own_chance(making), mode(vae, training=False), compute.autocast():
        rows = {
            "images": batch.x,
            "reconstructed": vae.reconstruct(batch.x),
            "once more": vae.reconstruct(batch.x),
            "without noise": vae.reconstruct(batch.x, sample=False),
            "made anew": vae.sample(len(batch)),
        }
    return {name: images.float().cpu().numpy() for name, images in rows.items()}
