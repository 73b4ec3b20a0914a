"""What one can do, in Python; the command line has the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparring import data as datasets
from sparring import nets, report
from sparring.errors import UserError, did_you_mean
from sparring.launch.everything import everything as every_recipe
from sparring.launch.outcome import Outcome, launch
from sparring.launch.outcome import compare as run_comparison
from sparring.launch.reproduce import Wish
from sparring.launch.reproduce import reproduce as play_recipe
from sparring.launch.sweep import hunted
from sparring.launch.where import Where
from sparring.methods import METHODS
from sparring.parts.taps import table as tap_table
from sparring.recipes import autoencoder, listing, options, published
from sparring.recipes.build import find_data, network
from sparring.recipes.check import Check, inspect
from sparring.recipes.config import Config, merged
from sparring.recipes.evaluation import evaluate as evaluate
from sparring.recipes.examine import Part
from sparring.recipes.export import export as export
from sparring.recipes.kinds import checked
from sparring.recipes.landscape import landscape as draw_landscape
from sparring.recipes.rows import Scale
from sparring.recipes.settle import is_object, settled
from sparring.recipes.show import show as draw
from sparring.recipes.slots import TABLES, factory
from sparring.report.groups import BASELINE


@checked
def distill(
    teacher: Any = None,
    student: Any = None,
    data: Any = None,
    *,
    method: str | None = None,
    out: str | Path,
    baseline: bool = False,
    seeds: int = 1,
    resume: bool = False,
    config: Config | str | Path | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    **options: Any,
) -> Outcome:
    """Train a student with the help of a teacher.

    teacher, student: a spec (see `sparring list nets`) or an `nn.Module`, of teachers a list of these too; data: a
    name, a folder, or a Dataset.
    method: a row of `sparring list methods` (kd if none is given). out: the folder to fill. baseline: also train the
    same student alone, with the same budget and seeds. seeds: how many. config: a `Config`, or a run's config.yaml.
    options: any key of `sparring.recipes.config.Config`, dotted ones as {"optim.lr": 0.1} or nested. A module that is
    handed over: the teacher is used itself, in eval mode and frozen; of the student each run trains a copy (`.student`
    of what is returned), so that all begin with its weights. Raises UserError for mistakes.
    """
    chosen, given = settled(config, teacher=teacher, student=student, data=data, method=method, **options)
    where = Where.given(on, cpus, gpus)
    return launch(chosen, Path(out), given, baseline=baseline, seeds=seeds, resume=resume, where=where)


@checked
def train(
    net: Any = None,
    data: Any = None,
    *,
    out: str | Path,
    seeds: int = 1,
    resume: bool = False,
    config: Config | str | Path | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    **options: Any,
) -> Outcome:
    """Train a network alone, on labels: a teacher, or a baseline. Arguments as in `distill`."""
    chosen, given = settled(config, student=net, data=data, method=BASELINE, **options)
    where = Where.given(on, cpus, gpus)
    return launch(chosen, Path(out), given, baseline=False, seeds=seeds, resume=resume, where=where)


@checked
def compare(
    methods: Sequence[str] | str,
    teacher: Any = None,
    student: Any = None,
    data: Any = None,
    *,
    out: str | Path,
    baseline: bool = True,
    seeds: int = 3,
    resume: bool = False,
    config: Config | str | Path | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
    **options: Any,
) -> Outcome:
    """Train the same student by several methods, on equal epochs and the same seeds, for verdicts of each pair.

    methods: rows of `sparring list methods`, each with options of its own behind commas ("da,perturb.alpha=0.02").
    baseline: also the student alone. The rest as in `distill`; what fills a slot goes for all. Raises UserError.
    """
    if isinstance(methods, str) or "method" in options:
        given = f"methods={methods!r}" if isinstance(methods, str) else f"method={options['method']!r}"
        raise UserError(f"{given}: give methods as a list of two or more, as ['kd', 'da']")
    chosen, given = settled(config, teacher=teacher, student=student, data=data, **options)
    where = Where.given(on, cpus, gpus)
    told = {"baseline": baseline, "seeds": seeds, "resume": resume, "where": where}
    return run_comparison(chosen, methods, Path(out), given, **told)


@checked
def train_augmentor(
    net: str | None = None,
    data: Any = None,
    *,
    out: str | Path,
    resume: bool = False,
    config: Config | str | Path | None = None,
    **options: Any,
) -> autoencoder.Augmentor:
    """Train an autoencoder on a data set's images, for HARD's VAE augmentor. net: vdvae-mnist, vdvae-small, …; data,
    resume, config, options: as in `distill`, the defaults those of `recipes.autoencoder`. Raises UserError."""
    chosen, given = settled(config or autoencoder.DEFAULTS, student=net, data=data, **options)
    return autoencoder.train_augmentor(chosen, out, given=given, resume=resume)


@checked
def check(
    teacher: Any = None,
    student: Any = None,
    data: Any = None,
    *,
    method: str | None = None,
    out: str | Path | None = None,
    config: Config | str | Path | None = None,
    **options: Any,
) -> Check:
    """What `distill` with the same arguments would do, found out without doing it; see `sparring.recipes.check`.

    Raises UserError for whatever would stop the run, a teacher near chance included.
    """
    chosen, given = settled(config, teacher=teacher, student=student, data=data, method=method, **options)
    return inspect(chosen, given, None if out is None else Path(out))


@checked
def show(
    run: str | Path,
    *,
    out: str | Path | None = None,
    landscape: bool = False,
    images: int | None = None,
    part: Part | None = None,
    points: int | None = None,
    device: str | None = None,
) -> list[Path]:
    """Draw what a run's perturbation makes of images and what its guide censors, and return the pictures' paths; see
    `sparring.recipes.show`. landscape: instead, the losses around its student; see `sparring.recipes.landscape`."""
    told = {"images": images, "points": points, "part": part}
    chosen: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    place = None if out is None else Path(out)
    if landscape and part is not None:
        raise UserError(f"--landscape is of training images, so --part {part} has no place there: leave it out")
    if points is not None and not landscape:
        raise UserError(f"--points {points} is of a landscape's grid: add --landscape, or leave it out")
    if place and place.suffix != ".png":
        raise UserError(f"--out {place}: the picture is a PNG, so give a name that ends in .png")
    return (draw_landscape if landscape else draw)(Path(run), out=place, device=device, **chosen)


@checked
def reproduce(
    name: str,
    out: str | Path,
    *,
    scale: Scale = "cpu",
    row: str | None = None,
    variants: Sequence[str] = (),
    seeds: int | None = None,
    methods: Sequence[str] = (),
    vae: str | None = None,
    elsewhere: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> Path:
    """Run the rows of a published table (or a search, or draw a figure) at a scale below `out`; the report's path.

    Teachers are trained where they are missing; what is finished is read, the rest goes on. row, variants: only these;
    methods: these, plainly; seeds: in place of the recipe's own; vae: an autoencoder in place of one that is trained;
    elsewhere: a folder of ImageNet's variants; changes: keys of `Config`, for all; see `launch.planned.Wish`. on, cpus,
    gpus: see `launch.where.Where`.
    """
    recipe, out, where = published.find(name), Path(out), Where.given(on, cpus, gpus)
    wish = Wish(row, variants, methods, seeds, changes or {}, vae, None if elsewhere is None else Path(elsewhere))
    if recipe.draw is not None:
        if wish != Wish(seeds=seeds) or on or cpus or gpus:
            raise UserError(f"{name} is a figure and no table of runs: it takes --out, --scale and --seeds alone")
        return recipe.draw(out, scale, seeds)
    play = play_recipe if recipe.hunt is None else hunted
    play(name, recipe, scale, out, wish, where)
    return report.both(out)


@checked
def reproduce_all(
    out: str | Path,
    *,
    scale: Scale = "smoke",
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    on: str | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> Path:
    """Reproduce every recipe at a scale below `out`, and return the page that sums it up; see `launch.everything`."""

    def play(name: str, place: Path) -> Path:
        if published.find(name).draw:
            return reproduce(name, place, scale=scale)
        return reproduce(name, place, scale=scale, seeds=seeds, changes=changes, on=on, cpus=cpus, gpus=gpus)

    Where.given(on, cpus, gpus)  # an odd word, or an unknown key, is told before the first of them
    merged(Config(), changes or {})
    return every_recipe(scale, Path(out), play)


@checked
def known(what: str) -> dict[str, str]:
    """The names of methods, nets, data, augmentations, recipes, or of what fills a slot, each with a line about it."""
    if what in TABLES:
        return {name: options.described(factory) for name, factory in TABLES[what].items()}
    if what == "methods":
        return {name: slots.about for name, slots in METHODS.items()}
    tables = {"nets": nets.names, "data": datasets.names, "recipes": listing.listed, "augment": datasets.augmentations}
    if what not in tables:
        raise UserError(f"there is no list of {what!r}. {did_you_mean(what, [*TABLES, 'methods', *tables])}")
    return dict(tables[what]())


@checked
def explained(slot: str, name: str) -> str:
    """What a slot's part is, with each of its options and what they are where nobody gives them."""
    if slot not in TABLES:
        raise UserError(f"there is no slot {slot!r}. {did_you_mean(slot, TABLES)}")
    return options.explained(factory(slot, name))


@checked
def taps(
    net: Any,
    data: Any = None,
    *,
    data_root: str | None = None,
    size: int | None = None,
    shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
) -> dict[str, str]:
    """The inner features of a network by name, each with its path and its shape for the images of a data set
    (the digits unless one is given).

    shape: (C, H, W) of the images, in place of the data set, which then is not read; classes: how many, beside it (10
    where the network does not say). Those with a name of their own come first; every other submodule is named by its
    path, and one that is called more than once is told to be no feature.
    """
    if shape is None and classes is not None:
        raise UserError(f"classes={classes} goes beside a shape, and a data set knows its own: add --shape, as 3x32x32")
    if shape is not None and size is not None:
        raise UserError(f"--size {size} scales a data set's images, and --shape names another: leave one of them out")
    if shape is None:
        config, given = settled(None, student=net, data=data, data_root=data_root, size=size)
        found = find_data(config, given)
        made, shape = network("network", config.student, given.student, "auto", found), found.shape
    elif is_object(net):
        made = nets.wrap(net, mean=(0.0,), std=(1.0,))
    else:
        says = "@" in str(net) or Path(net).exists()  # a run or a file of weights
        made = nets.load(str(net), classes=classes or (None if says else 10), shape=shape)
    return tap_table(made, shape)


def alone(config: Config, net: str | None) -> Config:
    """`config` for a network trained alone. Raises UserError where a teacher or another method is asked for too."""
    if config.teacher or config.method not in (Config().method, BASELINE) or (net and config.student):
        raise UserError("train takes --net and no --student, --teacher or --method; `distill` is what uses a teacher")
    if not (net or config.student):
        raise UserError("no network was given: pass --net (a name from `sparring list nets`, timm:NAME, file.py:name)")
    return config.model_copy(update={"student": net or config.student, "method": BASELINE})
