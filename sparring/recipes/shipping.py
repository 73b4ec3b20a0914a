"""Where the files of an export go, settled before any work is done and filled once all of it is; and what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparring.core import UserError, did_you_mean
from sparring.evaluate import Parity
from sparring.files import read_json, require_writable, write_json, write_text
from sparring.nets.portable import FORMS, SUFFIXES, Form
from sparring.recipes.folder import ELSEWHERE, standing
from sparring.report import licences

ELSES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tflite", ".mlmodel", ".mlpackage"}  # what other files are called


@dataclass(frozen=True, slots=True)
class Written:
    """One file: how large it is (bytes), its SHA-256, how long the answer to one image takes with it (seconds, on the
    CPU), and how far its answers are from those of the run's network."""

    file: Path
    bytes: int
    sha256: str
    latency: float
    parity: Parity


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote: files by their form, their card, and the same facts as JSON.

    Of the network: its parameters, MACs for one image, and the seconds that PyTorch takes for one on the CPU (`device`,
    with `threads`). measured: whether all this was found now; else by an export before, whose licence alone is new.
    """

    files: Mapping[Form, Written]
    card: Path
    facts: Path
    parameters: int
    macs: int
    latency: float
    device: str
    threads: int
    measured: bool = True


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

    def require_free(self) -> None:
        """Raise UserError where something is there already or nothing can be written."""
        for file in (*self.files.values(), self.card, self.facts):
            if file.exists():
                raise UserError(f"{file} is there already: give another --out, or remove it")
        if not (there := standing(self.folder)).is_dir():
            raise UserError(f"{self.folder} cannot be made a folder, for {there} is a file: give another --out")
        require_writable(there, advice=ELSEWHERE)

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

    Raises UserError where form and name do not go together.
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
    return found


def relicense(places: Plan, licence: str, to: str | Sequence[str] | None) -> Exported | None:
    """Write `licence` into the card and the JSON of an export that is there, and return what that told.

    None where there is none, or where a form is asked for (`to`) that it did not write. Raises UserError for a card
    whose licence somebody wrote by hand, which is theirs.
    """
    if not (places.card.exists() and places.facts.exists()):
        return None
    told = read_json(places.facts)
    try:
        found = recalled(places, told)
    except (KeyError, TypeError, AttributeError):  # some other JSON, or one that was edited
        return None
    if {to} - {*found.files} if isinstance(to, str) else {*(to or ())} - {*found.files}:
        return None
    text = places.card.read_text()
    new = licences.relicensed(text, told["licence"], licence) or licences.relicensed(text, licence, licence)
    if new is None:
        raise UserError(
            f"{places.card} no longer says of its licence what `export` wrote there: change it by hand, or remove the "
            "export and make it anew"
        )
    require_writable(places.folder, advice=ELSEWHERE)
    write_text(places.card, new)
    write_json(places.facts, told | {"licence": licence})
    return found


def recalled(places: Plan, told: Mapping[str, Any]) -> Exported:
    """What an export before told in its JSON. Raises KeyError, TypeError or AttributeError where it did not."""
    files: dict[Form, Written] = {}
    for form, each in told["files"].items():
        seen = Parity(**each["parity"] | {"batches": tuple(each["parity"]["batches"])})
        files[form] = Written(**each | {"file": places.folder / each["file"], "parity": seen})
    took = told["latency"]
    return Exported(
        files=files,
        card=places.card,
        facts=places.facts,
        parameters=told["parameters"],
        macs=told["macs"],
        latency=took["pytorch"],
        device=took["device"],
        threads=took["threads"],
        measured=False,
    )
