"""The model card of an exported student: what whoever is given its files must know, in the hub's form."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sparring.report import attacked, kin, licences, loading, robust
from sparring.report.augmentation import augmentation
from sparring.report.groups import Group, groups
from sparring.report.labels import shortened
from sparring.report.ledger import Run, runs
from sparring.report.table import markdown_table
from sparring.report.units import duration

Told = Mapping[str, Any]
METRICS = {
    "accuracy": ("accuracy", 100, " %"),
    "top5": ("accuracy of the first five", 100, " %"),
    "nll": ("negative log-likelihood", 1, " nats"),
    "ece": ("calibration error (ECE)", 100, " points"),
    "agreement": ("names what its teacher names", 100, " %"),
}
SHOWN = 20  # names of classes on the card; all of them are in export.json


def card(run: Path, told: Told) -> str:
    """The text of README.md for what export.json tells (`recipes.export.facts`) of the student of a finished run."""
    (found,) = runs(run)
    scores, part = scored(found, told["exit"])
    group = next(iter(groups([found])), None)
    beside = None if inner(told) else kin.kin(found)
    network = shortened([told["network"]])[told["network"]]
    title = f"{network} on {data_name(found)}"
    return _template().render(
        matter=matter(found, told, title, scores),
        title=plain(title),
        lead=lead(found, told, network),
        size={
            "network": plain(network),
            "parameters": f"{told['parameters']:,}",
            "multiply-adds for one image": f"{told['macs']:,}",
            "PyTorch's answer to one image": duration(told["latency"]["pytorch"]),
        },
        files=[row(each) for each in told["files"].values()],
        measured=measured(told),
        goes_in=goes_in(told),
        comes_out=comes_out(told),
        snippets=loading.snippets(told),
        training=training(found, told),
        metrics=metrics(found, scores, part),
        kin=(kin.scores(beside) or "") if beside else "",
        verdict=plain(kin.verdict(beside) or "") if beside else "",
        robustness=[] if group is None or inner(told) else robustness(group),
        limits=limits(found, told, group),
        licence=licences.sentence(told["licence"]),
    )


def inner(told: Told) -> bool:
    """Whether what was exported ends at an inner exit, so that what was measured of the whole is not of it."""
    return told["exit"] not in (None, "deepest")


def scored(run: Run, exit: str | None) -> tuple[Mapping[str, Any], str]:
    """A student's scores (or one of its exits'), and of which part of the data; {} where nothing was scored."""
    if exit is not None and exit in run.result.get("exits", {}):
        return run.result["exits"][exit], "test"
    part = next((part for part in ("test", "validation") if run.result.get(part)), "")
    return run.result.get(part) or {}, part


def matter(run: Run, told: Told, title: str, scores: Mapping[str, Any]) -> str:
    """The YAML that the hub reads: https://huggingface.co/docs/hub/model-cards."""
    task = {} if min(told["input"]["shape"][2:]) == 1 else {"pipeline_tag": "image-classification"}
    teacher = [] if run.teacher is None else ["knowledge-distillation"]
    forms = ["pytorch" if form == "torch" else form for form in told["files"]]
    values = {
        **licences.keys(told["licence"]),
        "tags": ["sparring", *teacher, *forms],
        "datasets": [data_name(run)],
        "metrics": ["accuracy"],
        **task,
    }
    if task and "accuracy" in scores:
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": data_name(run), "type": data_name(run)},
            "metrics": [{"type": "accuracy", "value": scores["accuracy"]}],
        }
        values["model-index"] = [{"name": title, "results": [result]}]
    return licences.as_yaml(values)


def data_name(run: Run) -> str:
    """What a data set is called, without the path of its folder."""
    told = run.manifest.get("data")
    return str(told.get("name") if isinstance(told, Mapping) else None or run.data).removeprefix("hf:")


def lead(run: Run, told: Told, network: str) -> str:
    """What it is, in a sentence."""
    channels, height, width = told["input"]["shape"][1:]
    what = f"signals of {width} values" if height == 1 else f"images of {width} × {height} pixels"
    kind = {1: "one channel", 3: "three channels (RGB)"}.get(channels, f"{channels} channels")
    teacher = f", taught by {plain(teacher_of(run))}" if run.teacher else " without a teacher"
    return (
        f"A classifier of {what}, {kind}, into {len(told['class_names'])} classes: {plain(network)}, trained "
        f"on {plain(data_name(run))} by the method `{run.method}`{teacher}."
    )


def row(each: Told) -> list[str]:
    """A file's line: name, bytes, seconds, and how far its answers lie from PyTorch's."""
    seen = each["parity"]
    return [
        f"`{plain(each['file'])}`",
        f"{each['bytes']:,} bytes",
        duration(each["latency"]),
        f"{seen['error']:.1e} (logits reach {seen['largest']:.3g})",
        f"{seen['same']} of {seen['images']}",
        f"{100 * seen['accuracy']:.2f} % (PyTorch: {100 * seen['expected']:.2f} %)",
    ]


def measured(told: Told) -> str:
    """Where and how the numbers of the files were found."""
    at, seen = told["latency"], next(iter(told["files"].values()))["parity"]
    threads = "1 thread" if at["threads"] == 1 else f"{at['threads']} threads"
    return (
        f"Times are medians of 30 answers in float32 on {plain(at['device'])}, {threads}. Each file was read again and "
        f"asked about {seen['images']} {told['compared_on']} images in batches of "
        f"{', '.join(map(str, seen['batches']))}; a difference of up to {told['tolerance']:g} of the largest logit is "
        "float32's rounding, and with a larger one no file is written."
    )


def goes_in(told: Told) -> str:
    """What the student is to be given."""
    _, channels, height, width = told["input"]["shape"]
    pixels = f"float32, of shape (batch, {channels}, {height}, {width}), with values in [0, 1]"
    made = ""
    if height > 1:
        made = " (a byte divided by 255; {})".format("grey" if channels == 1 else "channels red, green, blue")
        scaled = (
            f"the shorter side scaled to {told['size']} and the middle cut out"
            if told.get("size")
            else "taken as they are in the data set"
        )
        made += f". Images were {scaled}"
    mean, std = (", ".join(f"{value:.4g}" for value in told[name]) for name in ("mean", "std"))
    return (
        f"**In**: `{told['input']['name']}`, {pixels}{made}. The normalisation, (pixels − mean) / std with mean {mean} "
        f"and std {std}, is part of the ONNX and torch files: do not do it again."
    )


def comes_out(told: Told) -> str:
    """What it answers."""
    names = told["class_names"]
    shown = ", ".join(f"`{plain(name)}`" for name in names[:SHOWN])
    rest = f", … ({len(names)} in all: see `export.json`)" if len(names) > SHOWN else ""
    return (
        f"**Out**: `{told['output']['name']}`, (batch, {len(names)}), one number a class: the largest is the answer, "
        f"their softmax its probabilities. The classes, in order: {shown}{rest}."
    )


def teacher_of(run: Run) -> str:
    """A teacher's network and where it came from."""
    known = run.result.get("teacher_facts") or {}
    return f"{known['name']} (`{run.teacher}`)" if known.get("name") else f"`{run.teacher}`"


def training(run: Run, told: Told) -> dict[str, str]:
    """Where the student comes from: what one needs to train it again."""
    made, result = run.manifest, run.result
    images = result.get("images") or {}
    digest, start = run.weights("teacher"), run.weights("start")
    found = {
        "network": f"`{told['network']}`",
        "method": f"`{run.method}`",
        "teacher": teacher_of(run) + (f", weights SHA-256 `{digest}`" if digest else "") if run.teacher else None,
        "started from": f"{run.manifest['start'].get('spec')}, weights SHA-256 `{start}`" if start else None,
        "data": f"{data_name(run)}, fingerprint `{run.fingerprint}`" if run.fingerprint else data_name(run),
        "images": ", ".join(f"{count:,} {part}" for part, count in images.items() if count),
        "augmentation": augmentation(run),
        "epochs": result.get("epochs"),
        "seed": run.seed,
        "protocol": result.get("protocol"),
        "command": f"`{made['command']}`" if made.get("command") else None,
        "trained with": f"sparring {made.get('sparring')}, torch {made.get('torch')}, commit {made.get('git_commit')}",
        "exported with": ", ".join(f"{name} {at}" for name, at in told["versions"].items())
        + f", commit {told['git_commit']}",
        "weights": f"SHA-256 `{told['weights']}`",
    }
    return {name: plain(str(value)).replace("|", "\\|") for name, value in found.items() if value not in (None, "")}


def metrics(run: Run, scores: Mapping[str, Any], part: str) -> str:
    """The scores as a table."""
    if not scores:
        return "No images were held out to score it on."
    rows = [
        f"| {name} | {scale * scores[key]:.{2 if scale == 100 else 4}f}{unit} |"
        for key, (name, scale, unit) in METRICS.items()
        if scores.get(key) is not None
    ]
    count = run.number("images", part)
    head = f"{part}, n = {count:,.0f}, seed {run.seed}" if count else f"{part}, seed {run.seed}"
    return "\n".join([f"| {head} | |", "| --- | --- |", *rows])


def robustness(group: Group) -> list[tuple[str, str]]:
    """What was measured of it on corrupted and other images and under attack: titles and tables."""
    found = [(f"On corrupted images ({each.title})", markdown_table(each.means)) for each in robust.corrupted(group)]
    if others := robust.variants(group):
        found.append(("On variants of ImageNet", markdown_table(others)))
    return found + [(plain(each.title), markdown_table(each.table)) for each in attacked.attacked(group)]


def limits(run: Run, told: Told, group: Group | None) -> list[str]:
    """What speaks against it, and what nobody knows."""
    found = [plain(remark) for remark in run.result.get("remarks") or ()]
    if group is None or inner(told) or not robustness(group):
        found.append("How it answers corrupted images, images from elsewhere and attacks was not measured.")
    _, *shape = told["input"]["shape"]
    found.append(
        f"It takes inputs of {prod(shape):,} values, {' × '.join(map(str, shape))}, and names one of its "
        f"{len(told['class_names'])} classes whatever they show."
    )
    found.append("Latencies are of the machine named above: measure on yours.")
    return found


def plain(text: str) -> str:
    """Text that Markdown shows as it is written."""
    return text.replace("<", "&lt;").replace("\n", " ")


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    ).get_template("card.md.j2")
