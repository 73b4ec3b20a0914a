"""The command line: thin verbs over the Python API. torch is imported only once a verb runs."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.console import Console

from sparring.arguments import (
    Cpus,
    Gpus,
    Keys,
    Number,
    On,
    Several,
    first,
    flags,
    words,
)
from sparring.cli_augmentor import train_augmentor
from sparring.cli_compare import compare
from sparring.cli_evaluate import evaluate
from sparring.cli_export import export
from sparring.cli_list import list_names
from sparring.cli_show import show
from sparring.cli_sweep import found_in, sweep
from sparring.cli_train import check, distill, train
from sparring.errors import Interrupted, UserError
from sparring.recipes.config import Config, nested, overrides
from sparring.recipes.kinds import explain

if TYPE_CHECKING:
    from sparring.recipes.rows import Recipe, Scale

app = App(
    name="sparring",
    help="Make a small classifier as good, and as robust, as a big one.",
    result_action="return_value",
)
app.command(train_augmentor)

Changes = Annotated[Config | None, Parameter(name="*", show_default=False)]
KEYED = ("train", "distill", "compare", "check", "sweep", "reproduce")  # take any key of the schema as key=value
GOES_ON = ("demo", "reproduce", "evaluate", "sweep")  # verbs that go on by themselves with what they find


@app.command
def demo(*, out: Path = Path("sparring-demo"), seeds: Annotated[int, Number] = 5) -> None:
    """The whole idea in a minute: a teacher on the digits, then a student alone, by KD and by DA, and the verdict.

    Parameters
    ----------
    out
        Where to put the runs and report.html; a demo that was stopped there goes on.
    seeds
        Students of each kind.
    """
    from sparring import verbs
    from sparring.demo import STUDENT, TAUGHT, demo

    page = demo(out, seeds=seeds)
    if not first():
        return
    print(verbs.report.markdown([page.parent / "students"]))
    print(f"The report: {page}")
    told = " ".join(f"--{key} {value}" for key, value in TAUGHT.items())
    print(
        f"Next: sparring distill --teacher {out / 'teacher'} --student {STUDENT} {told} --method da --baseline"
        " --seeds 5  (few digits, most held out, so that a teacher can help; --data takes a folder of yours)"
    )


app.command(train)
app.command(distill)
app.command(compare)
app.command(check)
app.command(evaluate)
app.command(export)
app.command(show)
app.command(sweep)
app.command(list_names, name="list")


@app.command
def report(*runs: Path, out: Path | None = None) -> None:
    """Tables, verdicts and figures of some runs, as one HTML page and as Markdown.

    Parameters
    ----------
    runs
        Run directories, or folders with runs below them.
    out
        The page (by default report.html in the folder given; of several, report.html here, or report-2.html …).
    """
    from sparring import report as reports

    if not runs:
        raise UserError("no run was given: sparring report RUN…")
    if out and out.suffix not in (".html", ".htm"):
        raise UserError(f"--out {out}: the report is a web page, so give a name that ends in .html")
    page = reports.page(runs, out or reports.default_place(runs))
    print(reports.markdown(runs))
    for line in reports.left_out(runs):
        print(line, file=sys.stderr)
    print(f"The report: {page}")


@app.command
def reproduce(
    name: str | None = None,
    /,
    *keys: Keys,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    out: Path | None = None,
    scale: Literal["smoke", "cpu", "full"] = "cpu",
    row: str | None = None,
    variants: Annotated[tuple[str, ...], Several] = (),
    seeds: Annotated[int | None, Number] = None,
    methods: Annotated[tuple[str, ...], Several] = (),
    vae: str | None = None,
    elsewhere: Path | None = None,
    on: On = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    changes: Changes = None,
) -> None:
    """Run a published table again: its teachers, then its students, and the table beside the paper's numbers.

    Parameters
    ----------
    name
        A name from `sparring list recipes`.
    all_
        Every recipe in place of one, each in a folder below --out; what needs data that are not there is told.
    out
        The folder to fill (by default runs/NAME-SCALE); what lies there finished is read, the rest goes on.
    scale
        full is the paper's schedule, cpu a declared reduction, smoke seconds.
    row
        Only this row, such as resnet32x4-resnet8x4.
    seeds
        How many, in place of the recipe's.
    variants
        Only these ways of training the student, such as kd hard-affine.
    methods
        Which methods, plainly, in place of the table's own variants (or beside those named).
    vae
        An autoencoder in place of the one that would be trained: a run of train-augmentor, or diffusers:NAME.
    elsewhere
        A folder that holds variants of ImageNet side by side, for tables that are about them.
    """
    from sparring import verbs
    from sparring.recipes import published
    from sparring.report.said import NOTHING

    if name and "=" in name:  # of --all
        name, keys = None, (name, *keys)
    changed = nested(flags(changes) | overrides(keys))
    if all_ == bool(name) or (all_ and any((row, variants, methods, vae, elsewhere))):
        raise UserError("which? `sparring reproduce NAME` (see `sparring list recipes`), or --all of them as they are")
    if name is None:
        place = out or Path("runs") / f"all-{scale}"
        where = {"on": on, "cpus": cpus, "gpus": gpus}
        page = verbs.reproduce_all(place, scale=scale, seeds=seeds, changes=changed, **where)
        told = f"\n{NOTHING}" if scale == "smoke" else ""
        print(f"{(place / 'report.md').read_text()}\nThe report: {page}{told}\nNext: sparring list recipes")
        return
    recipe = published.find(name)
    place = out or Path("runs") / f"{recipe.place or name}-{scale}"
    page = verbs.reproduce(
        name,
        place,
        scale=scale,
        row=row,
        variants=words(variants),
        seeds=seeds,
        methods=words(methods),
        vae=vae,
        elsewhere=elsewhere,
        on=on,
        cpus=cpus,
        gpus=gpus,
        changes=changed,
    )
    if not first():
        return
    print((place / "report.md").read_text())
    print(f"The report: {page}")
    if scale == "smoke":
        print(NOTHING)
    print(f"Next: {further(name, recipe, scale, place, seeds)}")


def further(name: str, recipe: Recipe, scale: Scale, place: Path, seeds: int | None) -> str:
    """The command that tells more than what was just reproduced: the next scale, what a search found, two seeds more.

    Seeds are added to what lies there: the same words again, of which those that are through are read.
    """
    longer = recipe.scales[recipe.scales.index(scale) + 1 :]
    if scale == "smoke" and longer:
        needed = [f"--{key} …" for key, at in recipe.needs if at == longer[0]]
        return " ".join(["sparring reproduce", name, "--scale", longer[0], *needed])
    if recipe.hunt is not None:
        return found_in(place)
    if recipe.rows is None:
        return "sparring list recipes"
    many = 2 + (seeds or max(row.seeds for row in recipe.rows(scale)))
    typed = re.sub(r" --seeds[ =]\S+", "", shlex.join(sys.argv[1:]))
    return f"sparring {typed} --seeds {many}"


def main() -> None:
    """Run the command line; a user's mistake is one or two sentences and exit code 2."""
    # Before torch is there: threads that wait for each other by spinning lose whole time slices on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.stderr is None:  # closed: what opens a file next must not become what C libraries and workers write to
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        os.set_inheritable(sys.stderr.fileno(), True)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, error_console=errors)
    except UserError as error:
        fail(str(error))
    except cyclopts.CycloptsError as error:
        cause = error.__cause__
        fail(explain(cause, Config) if isinstance(cause, ValidationError) else unusable(error))
    except Interrupted as stopped:
        again = "the same command" if set(GOES_ON) & set(sys.argv[1:2]) else "the same command with --resume"
        fail(f"{stopped}; {again} goes on", 128 + stopped.signal)
    except KeyboardInterrupt:
        fail("stopped", 130)
    except BrokenPipeError:  # `sparring report … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def unusable(error: cyclopts.CycloptsError) -> str:
    """What is wrong with the words of a command; an option that is only a key of the schema is named as one."""
    if isinstance(error, cyclopts.UnknownOptionError) and set(KEYED) & set(sys.argv[1:2]):
        from sparring.recipes.slots import keys_called

        option = (error.token.keyword or error.token.value).partition("=")[0]
        if keys := keys_called(option.removeprefix("--")):
            return f"Unknown option: {option}. Write {' or '.join(f'{key}=…' for key in keys)} (without the --)"
    if isinstance(error, cyclopts.RepeatArgumentError):
        return f"{str(error).strip().rstrip('.')}: give it once"
    if isinstance(error, cyclopts.UnusedCliTokensError):
        verb = " ".join(sys.argv[1:2])
        odd = shlex.join(error.unused_tokens or ())
        return f"{odd} is not understood: `sparring {verb} --help` tells what {verb} takes"
    return str(error).strip()


def fail(text: str, code: int = 2) -> None:
    """Say what is wrong on standard error, and end with `code`."""
    print(f"sparring: {text}", file=sys.stderr)
    sys.exit(code)
