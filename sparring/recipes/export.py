"""What a finished run trained, written for use elsewhere: today one of its exits alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparring import data as datasets
from sparring import nets
from sparring.core import UserError
from sparring.core.network import computing
from sparring.evaluate import answers, macs, parameters, score_answers
from sparring.nets.exits import DEEPEST
from sparring.nets.spec import STUDENT
from sparring.recipes.examine import opened
from sparring.recipes.kinds import checked

ELSES = {".pt", ".pth", ".bin", ".ckpt", ".onnx", ".pkl"}  # what other files of weights are called
COMPARED = 512  # images on which what was written is compared with what it was taken from


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote: into which file, of how many parameters, with how many MACs for one image.

    Asked again from that file, on `images` held-out images: its accuracy, that of the same exit in the run's network,
    and how far any two of their logits are apart at most (in float32).
    """

    file: Path
    parameters: int
    macs: int
    images: int
    accuracy: float
    accuracy_before: float
    difference: float


@checked
def export(run: str | Path, exit: str, out: str | Path, *, device: str | None = None) -> Exported:
    """Write one exit of a finished run's student as a network of its own, and compare the two on real images.

    exit: "exit1", …, or "deepest", which is the network without exits. out: a folder, or a file that ends in
    .safetensors; `nets.load(out)` gives the network. device: where they are compared, in place of the run's own.
    Raises UserError where there is no such exit, and where the file is there already.
    """
    run, out = Path(run), Path(out)
    file = out if out.suffix == ".safetensors" else out / STUDENT
    if out.suffix in ELSES:
        raise UserError(f"--out {out}: what is written is safetensors, so give a name that ends so, or a folder")
    if file.exists():
        raise UserError(f"{file} is there already: give another --out")
    config, data, student = opened(run, device)
    alone = nets.only(student, exit)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{file.parent} cannot be made a folder ({error.strerror}): give another --out") from error
    nets.save(alone, file, class_names=data.class_names)
    here = student.mean.device
    again = nets.load(str(file)).to(here)
    part = data.test or data.validation or data.train
    some = datasets.some(part, COMPARED)
    batches = list(datasets.batches(some, batch_size=128, device=here, workers=config.workers))
    with computing(here.type, bf16=False):
        before = answers(student, batches, None if exit == DEEPEST else exit)
        after = answers(again, batches)
    return Exported(
        file,
        parameters(again),
        macs(again, data.shape),
        len(some),
        score_answers(after, some.y)["accuracy"],
        score_answers(before, some.y)["accuracy"],
        float((after - before).abs().max()),
    )
