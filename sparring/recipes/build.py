"""From a configuration to the things it names: data, networks, method, device. All that can fail, fails here."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from sparring import data as datasets
from sparring import nets
from sparring.core import Network, Setting, UserError, did_you_mean
from sparring.core.processes import world
from sparring.core.seeds import seed_for
from sparring.engine import Compute
from sparring.engine.device import choose_device, fast_bf16
from sparring.errors import first_line
from sparring.methods import TEACHERLESS
from sparring.parts import taps
from sparring.parts.bout import Bout
from sparring.parts.cached import CachedTeacher
from sparring.parts.layers import Layer
from sparring.recipes.cached import cached, open_cache, with_views
from sparring.recipes.config import Config
from sparring.recipes.gradients import asked_for, refuse_late
from sparring.recipes.optim import require
from sparring.recipes.slots import parts, resolved

Net = TypeVar("Net", bound=nn.Module)
PYTHON = "python:"  # begins the name, in config.yaml, of what was handed over from Python
STATISTICS = {
    "none": ((0.0,), (1.0,)),
    "half": ((0.5,), (0.5,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True, slots=True)
class Given:
    """Things handed over from Python instead of being named: they take the place of the names.

    teacher: a module, or several to teach together (among these may be names).
    """

    teacher: nn.Module | Sequence[Any] | None = None
    student: nn.Module | None = None
    data: Any = None

    def told_to(self, config: Config) -> Config:
        """`config` with what was handed over named in it, so that nobody takes a default for it."""
        objects = {"teacher": self.teacher, "student": self.student, "data": self.data}
        told = {key: f"{PYTHON}{type(thing).__name__}" for key, thing in objects.items() if thing is not None}
        if isinstance(self.teacher, list | tuple):
            told["teacher"] = PYTHON + "+".join(named(one) for one in self.teacher)
        return config.model_copy(update=told)


def named(one: Any) -> str:
    """One of several teachers by its name, or its class where it was handed over itself."""
    return str(one) if isinstance(one, str | Path) else type(one).__name__


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a run needs, made and checked. layers: those of the student whose gradients are to be written down."""

    config: Config
    data: datasets.Data
    teacher: Network | None
    student: Network
    method: Bout
    compute: Compute
    layers: tuple[Layer, ...] = ()


def prepare(config: Config, given: Given) -> Prepared:
    """Make everything that `config` names. Raises UserError for whatever does not exist or fit."""
    if config.threads:
        torch.set_num_threads(config.threads)
    config = with_views(resolved(given.told_to(config)))
    data = find_data(config, given)
    require(config.optim, validation=data.validation is not None)
    refuse_late(config)
    compute = Compute(choose_device(config.device))
    teacher = None
    if asks_teacher(config):
        teacher = network("teacher", config.teacher, given.teacher, config.teacher_normalise, data)
        teacher = copy.copy(teacher)  # one that was handed over keeps its own precision: only the weights are shared
        if given.teacher is None and not config.any_teacher:
            refuse_untrained(teacher)
    torch.manual_seed(seed_for("initial weights", config.seed))
    student = network("student", config.student, given.student, config.normalise, data)
    if teacher is not None:
        separate(teacher, student)
        teacher.eval().requires_grad_(False)
    if given.student is not None:  # several runs may be made from it: each starts from the weights that it was given
        student = copied(student)
    bf16, channels_last = precision(config, compute, student)
    compute = Compute(compute.device, bf16, channels_last)
    method = bout(config, student, teacher, data)
    student = dressed(method)
    refuse_too_large(method, config, len(data.train), compute.world)
    compute.place_module(method)
    if teacher is not None:
        place_teacher(config, compute, teacher)
        if isinstance(method.targets, CachedTeacher):
            open_cache(method.targets, config, data, teacher, compute)
    watched = asked_for(
        config, student, data.shape
    )  # of a body that is compiled the order of its layers cannot be heard
    if config.compile:
        student.compile_with(method.objective.student_taps)
        for each in nets.members(teacher) if teacher is not None else ():
            each.compile_with(method.objective.target_taps)
    return Prepared(config, data, teacher, student, method, compute, watched)


def copied(student: Net) -> Net:
    """A student that was handed over from Python, of its own. Raises UserError where it cannot be copied."""
    try:
        return copy.deepcopy(student)
    except Exception as error:  # whatever a module holds: a lock, a generator, a tensor out of a graph
        raise UserError(
            f"the student cannot be copied, as each run does to begin with its weights ({type(error).__name__}: "
            f"{first_line(error)}): let it hold no lock, generator or open file, or give path/to/file.py:callable"
        ) from error


def place_teacher(config: Config, compute: Compute, teacher: Network) -> None:
    """Put a teacher where the run computes, each member of an ensemble in the precision and layout that suit it."""
    for each in nets.members(teacher.to(compute.device)):
        bf16, channels_last = precision(config, compute, each)
        each.bf16 = None if bf16 == compute.bf16 else bf16  # a convolutional teacher of a perceptron is the dearer one
        Compute(compute.device, bf16, channels_last).place_module(each)


def find_data(config: Config, given: Given) -> datasets.Data:
    """The data set of a configuration, or the one handed over."""
    if given.data is None and config.data.startswith(PYTHON):
        raise UserError(
            f"the data was a {config.data} made in Python, and cannot be found again from its name: ask the student "
            "that distill returned there, as by sparring.evaluate.score"
        )
    if given.data is None:
        found = datasets.load(config.data, root=config.data_root, val=config.val, size=config.size)
    elif isinstance(given.data, datasets.Data):
        found = given.data
    else:
        found = datasets.wrap(given.data, val=config.val, size=config.size)
    return datasets.without(found, config.omit) if config.omit else found


def network(role: str, spec: str | None, given: Any, normalise: str, data: datasets.Data) -> Network:
    """The network for a role, answering with the data's classes. Raises UserError where it does not exist or fit."""
    mean, std = statistics(normalise, data)
    if (several := team(role, spec, given)) is not None:
        return nets.ensemble([network(role, *each, normalise, data) for each in several[0]], several[1])
    at = spec if spec is None or (asked := nets.exit_asked(spec)) is None else asked[1]
    if given is not None:
        net = nets.wrap(given, mean=mean, std=std)
    elif spec and spec.startswith(PYTHON):
        raise UserError(f"the {role} was a {spec} made in Python: hand it over from Python again, or name another")
    elif at and "/" in at and not {":", "@"} & set(at) and not Path(at).expanduser().exists():
        hint = " (several teachers are ensemble:A+B)" if {"+", ","} & set(at) and role == "teacher" else ""
        raise UserError(f"there is nothing at {at!r} to take the {role} from; was it moved?{hint}")
    elif spec:
        net = nets.load(spec, classes=data.classes, shape=data.shape, mean=data.mean, std=data.std)
        if normalise != "auto":
            net = nets.network(net.body, replace(nets.origin_of(net), mean=mean, std=std))
    else:
        raise UserError(f"no {role} was given: pass --{role} (a name from `sparring list nets`, a run, a file)")
    fits(net, role, data)
    return net


def team(role: str, spec: str | None, given: Any) -> tuple[list[tuple[str | None, Any]], nets.Combine] | None:
    """The (name, object) of each of several networks for a role, and how they answer together; None for one alone."""
    found: tuple[list[tuple[str | None, Any]], nets.Combine] | None = None
    if isinstance(given, list | tuple):
        found = [(str(one), None) if isinstance(one, str | Path) else (None, one) for one in given], "logits"
    elif given is None and spec and (asked := nets.team(spec)):
        found = [(one, None) for one in asked[0]], asked[1]
    if found and (role != "teacher" or not found[0]):
        raise UserError(
            f"{len(found[0])} networks are given for the {role}: only teachers answer together, so name one"
        )
    return found


def statistics(normalise: str, data: datasets.Data) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel that a preprocessing's name stands for."""
    if normalise in ("auto", "data"):
        return data.mean, data.std
    if normalise not in STATISTICS:
        known = ["auto", "data", *STATISTICS]
        raise UserError(f"unknown preprocessing {normalise!r}. {did_you_mean(normalise, known)}")
    mean, std = STATISTICS[normalise]
    if len(mean) not in (1, data.shape[0]):
        raise UserError(
            f"preprocessing {normalise!r} is for 3 channels, and the images have {data.shape[0]}: choose data or none"
        )
    return mean, std


def fits(net: Network, role: str, data: datasets.Data) -> None:
    """Raise UserError where a network cannot answer the data's images with the data's classes."""
    classes = nets.classes_of(net, data.shape, f"the {role} {net.name}")
    if classes != data.classes:
        raise UserError(
            f"the {role} {net.name} answers with {classes} classes and the data has {data.classes}; "
            f"give a {role} that was trained for these classes"
        )


def refuse_untrained(teacher: Network) -> None:
    """Raise UserError for a teacher, or a member of several, without weights of its own."""
    for each in nets.members(teacher):
        if not nets.origin_of(each).trained:
            raise UserError(
                f"the teacher {each.name} has no weights, so it knows nothing: "
                f"give a run directory or {each.name}@weights, or go on with --any-teacher"
            )


def separate(teacher: Network, student: Network) -> None:
    """Raise UserError where the student's training would move weights of the teacher."""
    theirs = {parameter.data_ptr() for parameter in teacher.parameters() if parameter.numel()}
    for name, parameter in student.body.named_parameters():
        if parameter.requires_grad and parameter.data_ptr() in theirs:
            raise UserError(
                f"the teacher and the student share weights ({name}), so the teacher would change with the student: "
                "give copy.deepcopy(net) for one of them"
            )


def asks_teacher(config: Config) -> bool:
    """Whether a resolved configuration has a teacher, and targets that may ask it."""
    return config.teacher is not None and config.targets["name"] not in TEACHERLESS


def dressed(method: Bout) -> Network:
    """The student that a bout trains: the one it was given, or what a part made of it."""
    assert isinstance(method.student, Network)
    return method.student


def bout(config: Config, student: Network, teacher: Network | None, data: datasets.Data) -> Bout:
    """The method of a resolved configuration, ready to train."""
    setting = Setting(data.classes, data.shape, data.mean, data.std, teacher, student, config.batch_size // world())
    torch.manual_seed(seed_for("parts", config.seed))
    slots = parts(config, setting)
    if config.cache is not None:
        slots["targets"] = cached(slots["targets"], slots["objective"], config)
    made = Bout(student, **slots)
    for net, wanted in ((dressed(made), made.objective.student_taps), (teacher, made.objective.target_taps)):
        if net is not None and wanted:
            taps.shapes(net, data.shape, wanted)  # so that each is known by its name, or refused here
    return made


def refuse_too_large(method: Bout, config: Config, images: int, world: int) -> None:
    """Raise UserError where what a method gathers over the training would not fit into this machine's memory: once in
    each process, and once more where a checkpoint is written."""
    wanted = (world + 1) * method.most_bytes(config.epochs * max(1, images // config.batch_size))
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if wanted > there / 2:
        raise UserError(
            f"the pool of snapshots could grow to {wanted / 2**30:.1f} GiB in this training, with its copy in a "
            f"checkpoint, more than half of the "
            f"{there / 2**30:.0f} GiB of memory here; give perturb.pool=N to keep at most N of them"
        )


def precision(config: Config, compute: Compute, net: nn.Module) -> tuple[bool, bool]:
    """(bf16?, channels-last?) for a network; "auto" by what was measured: see bench/README.md.

    A convolution whose windows do not overlap, as where a transformer cuts its patches, makes nothing convolutional.
    """
    convolutional = any(isinstance(m, nn.Conv2d) and m.kernel_size != m.stride for m in net.modules())
    bf16 = config.precision == "bf16" or (config.precision == "auto" and convolutional and fast_bf16(compute.device))
    if config.channels_last is not None:
        return bf16, config.channels_last
    return bf16, convolutional and not (compute.device.type == "cpu" and any(map(corrupting, net.modules())))


def corrupting(module: nn.Module) -> bool:
    """Whether oneDNN writes past its memory in a layer's backward pass, channels last, on a CPU without AVX-512 (torch
    2.13): a strided convolution of 1 × 1 that takes fewer than 8 channels. The process dies, or worse."""
    if not isinstance(module, nn.Conv2d):
        return False
    return module.in_channels < 8 and module.kernel_size == (1, 1) and max(module.stride) > 1
