"""What a page's markers stand for: blocks made from the code, so that they cannot say what it no longer does.

A marker is a comment of its own line, `<!-- made: options perturb da -->`; on the site the block takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args, get_origin

MARKER = re.compile(r"^<!-- made: (\w+)(.*?) -->$", re.MULTILINE)


def expanded(text: str) -> str:
    """A page with its markers expanded. Raises KeyError for one of an unknown kind."""
    return MARKER.sub(lambda match: MAKERS[match[1]](*match[2].split()), text)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def options(slot: str, name: str) -> str:
    """What a slot's part says of itself, and a table of its options."""
    from sparring import verbs
    from sparring.recipes.options import options_of
    from sparring.recipes.slots import factory

    about = verbs.explained(slot, name).partition("\n\nOptions: ")[0]
    fields = options_of(factory(slot, name)).model_fields
    rows = [[f"`{slot}.{key}`", default(field), kind(field.annotation)] for key, field in fields.items()]
    return marked(about, list(fields)) + (
        "\n\n" + table(["option", "where it is not given", "may be"], rows) if rows else "\n\nIt has no options."
    )


def marked(about: str, names: list[str]) -> str:
    """A docstring in which options, where they are explained (`alpha, beta: …`), are set as code."""
    one = "|".join(map(re.escape, names)) or "(?!)"
    explained = re.compile(rf"(?<![\w.`])(?:{one})(?:, (?:{one}))*(?=:)")
    return explained.sub(lambda match: re.sub(r"\w+", r"`\g<0>`", match[0]), about)


def default(field: Any) -> str:
    """What a field is where nobody gives it."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "–" if value is None or value in ("", {}, ()) else f"`{plainly(value)}`"


def plainly(value: Any) -> str:
    """A default as one writes it on the command line."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(plainly, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)


def kind(annotation: Any) -> str:
    """What a field may be, in words."""
    from typing import Annotated, Literal

    words = {int: "a whole number", float: "a number", bool: "`true`, `false`", str: "a name", type(None): ""}
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin is Annotated:
        return kind(get_args(annotation)[0])
    if origin is tuple:
        return "a list: " + kind(get_args(annotation)[0])
    if origin is dict or annotation is Any:
        return "a name, and options of its own"
    if annotation in words:
        return words[annotation]
    return " or ".join(filter(None, map(kind, get_args(annotation)))) or str(annotation)


def methods(*names: str) -> str:
    """A table of methods (all, where none is named): a sentence, and what fills the three slots."""
    from sparring.methods import METHODS

    rows = [
        [f"`{name}`", row.about, slot(row.perturb), slot(row.targets), slot(row.objective)]
        for name, row in METHODS.items()
        if name in names or not names
    ]
    made = table(["`--method`", "what it is", "perturb", "targets", "objective"], rows)
    return f'<div class="methods" markdown>\n\n{made}\n\n</div>'


def slot(chosen: Any) -> str:
    """A slot's name, and the options that a method gives it."""
    given = " ".join(f"`{key}={plainly(value)}`" for key, value in chosen.options.items())
    return f"`{chosen.name}`" + (f" with {given}" if given else "")


def names(what: str) -> str:
    """A table of what `sparring list` lists."""
    from sparring import verbs

    return table(["name", "what it is"], [[f"`{name}`", about] for name, about in verbs.known(what).items()])


def configuration() -> str:
    """All keys of the schema, those of the optimiser behind the others."""
    from sparring.recipes.config import Config, Optim

    def rows(model: Any, start: str = "") -> list[list[str]]:
        return [
            [f"`{start}{name}`", field.description or "", default(field), kind(field.annotation)]
            for name, field in model.model_fields.items()
            if field.annotation is not Optim
        ]

    return table(["key", "what it is", "where it is not given", "may be"], rows(Config) + rows(Optim, "optim."))


def commands() -> str:
    """The command line's own help, verb by verb; keys of the schema are left to the page that lists them."""
    from sparring.cli import app
    from sparring.recipes.config import Config, Optim

    keys = set(Config.model_fields) | {f"optim.{name}" for name in Optim.model_fields}
    text = app.generate_docs(output_format="markdown")
    text = re.sub(r"\A.*?(?=^## sparring )", "", text, flags=re.DOTALL | re.MULTILINE)
    kept = []
    for line in text.splitlines():
        option = re.match(r"\* `--([\w.-]+)", line)
        key = option[1].replace("-", "_") if option else ""
        if key == "track":
            kept.append("* `--KEY`: any [key of the configuration](configuration.md), as a flag or as `key=value`.")
        elif key not in keys:
            kept.append(line.replace(f"`--{option[1]}" if option else "", f"`--{option[1]}" if option else ""))
    return "\n".join(kept)


MAKERS: dict[str, Callable[..., str]] = {
    "options": options,
    "methods": methods,
    "names": names,
    "configuration": configuration,
    "commands": commands,
}
