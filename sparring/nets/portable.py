"""A classifier in files that others read: its weights, a torch.export program, an ONNX graph.

safetensors    the weights of the network's own class, and which network they are of
torch          a program (.pt2) for torch.export.load: no class is needed, only PyTorch
onnx           a graph for onnxruntime and what else reads ONNX: no Python is needed

The last two take pixels (B, C, H, W) in [0, 1], of any B, and carry their own normalisation.
"""

from __future__ import annotations

import copy
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from sparring.core import Network, Output, UserError
from sparring.errors import first_line
from sparring.files import atomic
from sparring.nets import weights
from sparring.nets.exits import UpTo
from sparring.nets.load import load, save
from sparring.nets.origin import origin_of

Form = Literal["safetensors", "torch", "onnx"]
FORMS: tuple[Form, ...] = get_args(Form)
SUFFIXES: dict[Form, str] = {"safetensors": ".safetensors", "torch": ".pt2", "onnx": ".onnx"}
PIXELS, LOGITS = "pixels", "logits"  # what a graph's input and output are called
CLASSES = "class_names"  # under which a graph has the names of its classes, as JSON
Answering = Callable[[Tensor], Tensor]
"""Pixels (B, C, H, W) float32 in [0, 1] → logits (B, K), both on the CPU."""


class Bare(nn.Module):
    """A network as a plain function of pixels: (B, C, H, W) in [0, 1] → logits (B, K)."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.body = Unseen(net.body) if isinstance(net.body, UpTo) else net.body
        self.register_buffer("mean", net.mean)
        self.register_buffer("std", net.std)

    def forward(self, pixels: Tensor) -> Tensor:
        return Output.of(self.body((pixels - self.mean) / self.std)).logits


class Unseen(nn.Module):
    """A body whose submodules an exporter does not see, and its weights alone: it follows the calls of those that it
    sees, and loses its way where an exception ends one, as it does at an exit."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.called = [body]  # in a list, which makes it no submodule
        self.names = {name: name.replace(".", "/") for name, _ in (*body.named_parameters(), *body.named_buffers())}
        for name, value in body.named_parameters():
            self.register_parameter(self.names[name], value)
        for name, value in body.named_buffers():
            self.register_buffer(self.names[name], value)

    def forward(self, x: Tensor) -> Any:
        held = {name: getattr(self, own) for name, own in self.names.items()}
        return torch.func.functional_call(self.called[0], held, (x,))


def resting_copy(net: Network) -> Network:
    """A copy of a network on the CPU, in eval mode, its tensors laid out plainly."""
    alone = copy.deepcopy(net).to("cpu").eval()
    with torch.no_grad():
        for value in (*alone.parameters(), *alone.buffers()):
            value.data = value.data.contiguous()
    return alone


def require(form: Form) -> None:
    """Raise UserError where what a form is written and read with is not installed."""
    for module in ("onnx", "onnxscript", "onnxruntime") if form == "onnx" else ():
        try:
            importlib.import_module(module)
        except ImportError as missing:
            raise UserError(
                f"ONNX is written and tried with {module}, which could not be imported ({missing}); "
                "install it with: pip install 'sparring[onnx]'"
            ) from missing


def write(net: Network, form: Form, file: Path, *, shape: Sequence[int], class_names: Sequence[str]) -> None:
    """Write a network (see `resting_copy`) for images of `shape` (C, H, W) to `file`, whole or not at all.

    Raises UserError for a network that is no graph: whose forward chooses by the values it meets, or takes one number
    of images alone.
    """
    if form == "safetensors":
        save(net, file, class_names=class_names)
        return
    program = _program(net, shape)
    with atomic(file) as unfinished:
        if form == "torch":
            with unfinished.open("wb") as opened:
                torch.export.save(program, opened, extra_files={f"{CLASSES}.json": json.dumps(class_names)})
        else:
            graph = _graph(net, program)
            graph.model.metadata_props[CLASSES] = json.dumps(class_names)
            graph.save(unfinished, external_data=False)


def read(net: Network, form: Form, file: Path) -> Answering:
    """What the network in `file` answers, read again as whoever is given that file would; net: what was written.

    A class that was made in Python nobody finds again: a copy of it, emptied, is filled from the file.
    """
    if form == "onnx":
        return _of_onnx(file)
    if form == "torch":
        with quiet(), file.open("rb") as opened:
            return torch.export.load(opened).module()
    if origin_of(net).spec is not None:
        return Bare(load(str(file)).eval())
    again = copy.deepcopy(net)
    with torch.no_grad():
        for value in again.body.state_dict().values():
            value.zero_()
    weights.put(again.body, weights.read(file)[0], file)
    return Bare(again)


def _of_onnx(file: Path) -> Answering:
    """What a graph answers in onnxruntime, on the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def answer(pixels: Tensor) -> Tensor:
        return torch.from_numpy(session.run([LOGITS], {PIXELS: pixels.numpy()})[0])

    return answer


def _program(net: Network, shape: Sequence[int]) -> torch.export.ExportedProgram:
    """A network as one program for any number of images."""
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                Bare(net), (torch.rand(2, *shape),), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
            )
    except Exception as wrong:  # whatever a forward does that no graph can hold
        raise UserError(
            f"{net.name} cannot be written as a graph for any number of images ({type(wrong).__name__}: "
            f"{first_line(wrong)}): its forward must not choose by the values in a tensor, nor fix the number of "
            "images, as len(x) does where x.shape[0] does not; mend it, or export its weights alone, --to safetensors"
        ) from wrong


def _graph(net: Network, program: torch.export.ExportedProgram) -> torch.onnx.ONNXProgram:
    """A program as ONNX."""
    try:
        with quiet():
            graph = torch.onnx.export(
                program,
                dynamo=True,
                input_names=[PIXELS],
                output_names=[LOGITS],
                dynamic_shapes={PIXELS: {0: "batch"}},
                verbose=False,
            )
    except Exception as wrong:  # an operator that ONNX lacks, in one of several kinds of error
        raise UserError(
            f"{net.name} cannot be written as ONNX ({type(wrong).__name__}: {first_line(wrong)}): mend its forward, "
            "or export it as a program of torch's, --to torch"
        ) from wrong
    assert graph is not None
    return graph


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what torch's exporters tell of themselves: what matters of it is in the error they end with."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
