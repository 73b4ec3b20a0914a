"""Where the files of an export go: settled before any work is done, and filled once all of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparring.core import UserError, did_you_mean
from sparring.files import require_writable
from sparring.nets.portable import FORMS, SUFFIXES, Form
from sparring.recipes.folder import ELSEWHERE, standing

ELSES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tflite", ".mlmodel", ".mlpackage"}  # what other files are called


@dataclass(frozen=True, slots=True)
class Plan:
    """A file for each form, the model card in words, and the same facts as JSON."""

    files: dict[Form, Path]
    card: Path
    facts: Path

    @property
    def folder(self) -> Path:
        """Where they all lie."""
        return self.card.parent

    def settle(self, made: Path) -> None:
        """Move what lies under the same names in the folder `made`, on the same disk, to its place, the card last."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in (*self.files.values(), self.facts, self.card):
                (made / file.name).replace(file)
        except OSError as error:
            raise UserError(f"cannot write into {self.folder}: {error.strerror}; {ELSEWHERE}") from error


def plan(run: Path, to: Sequence[str] | None, exit: str | None, out: Path | None) -> Plan:
    """Where an export of `run` goes. out: a folder, for student.onnx and what goes with it; or a file whose suffix says
    the form, its card then being called as it is (x.onnx, x.md, x.json).

    Raises UserError where form and name do not go together, something is there already or nothing can be written.
    """
    if odd := [word for word in to or () if word not in FORMS]:
        raise UserError(f"--to {odd[0]} is no form that is written. {did_you_mean(odd[0], FORMS)}")
    out = out or run / (f"export-{exit}" if exit else "export")
    of: dict[str, Form] = {suffix: form for form, suffix in SUFFIXES.items()}
    if out.suffix in of:
        form = of[out.suffix]
        if to is not None and tuple(to) != (form,):
            asked = " ".join(to)
            raise UserError(f"--out {out} is a file for {form}, and --to {asked} is asked for: give a folder as --out")
        found = Plan({form: out}, out.with_suffix(".md"), out.with_suffix(".json"))
    elif out.suffix in ELSES:
        raise UserError(f"--out {out}: what is written are {', '.join(of)}, so give a name that ends so, or a folder")
    else:
        files: dict[Form, Path] = {
            form: out / f"student{SUFFIXES[form]}" for form in FORMS if form in (to or FORMS[:1])
        }
        found = Plan(files, out / "README.md", out / "export.json")
    for file in (*found.files.values(), found.card, found.facts):
        if file.exists():
            raise UserError(f"{file} is there already: give another --out, or remove it")
    if not (there := standing(found.folder)).is_dir():
        raise UserError(f"{found.folder} cannot be made a folder, for {there} is a file: give another --out")
    require_writable(there, advice=ELSEWHERE)
    return found
