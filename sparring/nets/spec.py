"""What a user may write where a network is wanted, taken apart.

NAME                      an own network, untrained                     resnet8x4
NAME@WEIGHTS              with weights from a file or a run             resnet8x4@teacher.safetensors
timm:NAME                 untrained; @pretrained, or @WEIGHTS           timm:resnet18@pretrained
timm:NAME@backbone        pretrained, with a new head, to be trained    timm:resnet18@backbone
torchvision:NAME          likewise                                      torchvision:resnet18@pretrained
hf:NAME                   a trained transformers classifier or folder   hf:my-folder
FILE.py:CALLABLE          a class or function of yours; or @WEIGHTS     nets.py:tiny@runs/a
RUN                       a run directory, or its student.safetensors   runs/a
exit2:ANY, deepest:ANY    up to an exit of a network that has exits       exit2:runs/a
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sparring.core import UserError

STUDENT = "student.safetensors"
AUGMENTOR = "augmentor.safetensors"  # what a `train-augmentor` run leaves instead
PRETRAINED = "pretrained"
BACKBONE = "backbone"  # the same weights under a head that begins anew, for classes of one's own
LIBRARIES = ("timm", "torchvision", "hf")


@dataclass(frozen=True, slots=True)
class Spec:
    """kind: own, file, or a library's prefix. name: within that kind. callable: of a file. weights: after the @."""

    kind: str
    name: str
    callable: str = ""
    weights: str | None = None

    def __str__(self) -> str:
        """The network without its weights, with absolute paths: good from any working directory."""
        if self.kind == "file":
            return f"{Path(self.name).resolve()}:{self.callable}"
        if self.kind == "hf" and Path(self.name).is_dir():
            return f"hf:{Path(self.name).resolve()}"
        return self.name if self.kind == "own" else f"{self.kind}:{self.name}"

    @property
    def pretrained(self) -> bool:
        """Whether the library's own weights are asked for."""
        return self.weights == PRETRAINED and self.kind in ("timm", "torchvision")

    @property
    def backbone(self) -> bool:
        """Whether timm's own weights are asked for under a new head."""
        return self.weights == BACKBONE and self.kind == "timm"

    @property
    def weights_file(self) -> Path | None:
        """The file of weights to load, where there is one; of a run directory, its student's.

        Raises UserError for a directory that is no finished run.
        """
        if self.weights is None or self.pretrained or self.backbone:
            return None
        path = Path(self.weights).expanduser()
        return _student_of(path) if path.is_dir() else path


def parse(spec: str) -> Spec:
    """Take `spec` apart by its form alone; nothing is imported or read."""
    if found := re.fullmatch(r"(?P<file>.+\.py):(?P<callable>[^@:/]*)(?:@(?P<weights>.+))?", spec):
        if not found["callable"].isidentifier():
            raise UserError(f"{spec!r} names no class or function of the file; give path/to/file.py:callable")
        return Spec("file", str(Path(found["file"]).expanduser()), found["callable"], found["weights"])
    if spec.partition("@")[0].endswith(".py"):
        raise UserError(f"{spec!r} names no class or function of the file; give path/to/file.py:callable")
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in LIBRARIES:
        kind, rest = "own", spec
    if kind == "hf" and Path(rest).expanduser().is_dir():
        return Spec("hf", str(Path(rest).expanduser()))
    name, at, weights = rest.partition("@")
    if not name or (at and not weights):
        raise UserError(f"{spec!r} is not the name of a network; write NAME or NAME@weights.safetensors")
    return Spec(kind, name, weights=weights or None)


def run_file(spec: str) -> Path | None:
    """The student's file, if `spec` is a run directory or such a file; None if it is something else."""
    path = Path(spec).expanduser()
    if path.is_dir():
        return _student_of(path)
    if path.suffix == ".safetensors" and path.is_file():
        return path
    if path.suffix == ".safetensors" and "@" not in spec:
        raise UserError(f"the weights file {spec} does not exist; check the path")
    return None


def _student_of(run: Path) -> Path:
    if (run / AUGMENTOR).is_file():
        raise UserError(f"the directory {run} holds an autoencoder and no classifier; it is what vae= takes")
    if not (run / STUDENT).is_file():
        raise UserError(f"the directory {run} holds no {STUDENT}, so it is no finished run; check the path")
    return run / STUDENT
