"""What fills the three slots of a configuration: names looked up, options completed and checked, parts made.

A slot has one part, `{"name": "da", OPTION: …}`; perturb also takes a chain, `{"name": "mixes+hard", "mixes":
{OPTION: …}, "hard": {OPTION: …}}`, whose links are told apart by the last word of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sparring.core import Setting, UserError, did_you_mean
from sparring.errors import first_line
from sparring.keys import flat, joined
from sparring.methods import METHODS, OBJECTIVE, PERTURB, TARGETS, Slot, Slots
from sparring.parts.chain import Chain
from sparring.recipes.config import SLOTS, Config
from sparring.recipes.kinds import known_keys
from sparring.recipes.options import checked_options, options_of
from sparring.userfile import imported

TABLES: dict[str, Mapping[str, Callable[..., Any]]] = {"perturb": PERTURB, "targets": TARGETS, "objective": OBJECTIVE}
LINK = re.compile(r"\s*([\w-]*|[^:]*?\.py:\w*)\s*(\+|$)")  # a path may hold a +, a name may not


def resolved(config: Config) -> Config:
    """`config` with every slot's name and options written out, checked."""
    row = method_slots(config.method)
    chosen = {slot: filled(slot, getattr(config, slot), getattr(row, slot)) for slot in SLOTS}
    return config.model_copy(update=chosen)


def filled(slot: str, given: Mapping[str, Any], preset: Slot) -> dict[str, Any]:
    """A slot's name and options, complete: those `given`, over those of the method's row where its name is chosen."""
    options = dict(given)
    name = options.pop("name", None) or preset.name
    links = split(name) if slot == "perturb" else [name]
    if len(links) == 1:
        start = preset.options if name == preset.name else {}
        options = {key: under(start.get(key), value) for key, value in options.items()}
        checked = checked_options(factory(slot, links[0]), {**start, **options}, slot)
        return {"name": links[0], **{key: plainly(value) for key, value in checked.items()}}
    if len({last_word(link) for link in links}) < len(links):
        raise UserError(f"perturb={name} has a link twice: name each once")
    start = {last_word(link): preset.options for link in links if link == preset.name}
    start = joined(start, preset.options if name == preset.name else {})
    return {"name": "+".join(links), **chained(links, joined(start, sorted_out(links, options)))}


def under(preset: Any, given: Any) -> Any:
    """An option that names something with options of its own: where only these are given, they are the preset one's."""
    alone = isinstance(preset, str) and isinstance(given, Mapping) and "name" not in given
    return {"name": preset, **given} if alone else given


def plainly(option: Any) -> Any:
    """An option in the one way of writing it: a name alone as such, its options in order behind it."""
    if not (isinstance(option, Mapping) and "name" in option):
        return option
    own = {key: option[key] for key in sorted(option) if key != "name"}
    return {"name": option["name"], **own} if own else option["name"]


def chained(links: list[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each link's options, checked and complete."""
    return {
        last_word(link): checked_options(
            factory("perturb", link), options.get(last_word(link), {}), f"perturb.{last_word(link)}"
        )
        for link in links
    }


def sorted_out(links: list[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Options of a chain by link: given as perturb.LINK.OPTION, or as perturb.OPTION where one link alone has it."""
    having = {last_word(link): options_of(factory("perturb", link)).model_fields for link in links}
    found: dict[str, dict[str, Any]] = {
        word: dict(options[word]) for word in having if isinstance(options.get(word), Mapping)
    }
    for key, value in options.items():
        if key in found:
            continue
        owners = [word for word, fields in having.items() if key in fields]
        if not owners:
            known = [f"perturb.{word}.{option}" for word, fields in having.items() for option in sorted(fields)]
            raise UserError(f"unknown key 'perturb.{key}'. {did_you_mean(f'perturb.{key}', known)}")
        if len(owners) > 1:
            raise UserError(
                f"perturb.{key} is an option of {owners[0]} and of {owners[1]}: write perturb.{owners[0]}.{key}=…"
            )
        if key in found.setdefault(owners[0], {}):
            raise UserError(f"perturb.{key} and perturb.{owners[0]}.{key} are the same option: give one of them")
        found[owners[0]][key] = value
    return found


def split(name: str) -> list[str]:
    """The names of a chain's links, or the one name: "mixes+hard", "mixes+FILE.py:NAME". Raises UserError for an empty
    one."""
    links, at = [], 0
    while at <= len(name):
        found = LINK.match(name, at)
        if found is None:
            return [name]
        links.append(found[1])
        at = found.end() + (not found[2])
    if "" in links:
        raise UserError(f"perturb={name} lacks a name at one side of its +: write perturb=FIRST+SECOND")
    return links


def last_word(link: str) -> str:
    """What a link's options lie under: its name, of `FILE.py:NAME` the last."""
    return link.rpartition(":")[2]


def links(slot: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each part that a resolved slot names, and its options; none of a slot that is not used."""
    names = split(slot["name"]) if slot else []
    for name in names:
        if len(names) > 1:
            yield name, slot[last_word(name)]
        else:
            yield name, {key: value for key, value in slot.items() if key != "name"}


def parts(config: Config, setting: Setting) -> dict[str, Any]:
    """What fills each slot of a resolved configuration, made."""
    found = {}
    for slot in SLOTS:
        made = []
        chosen = list(links(getattr(config, slot)))
        for name, options in chosen:
            try:
                made.append(factory(slot, name)(setting, **options))
            except ValueError as error:
                raise UserError(f"{slot if len(chosen) == 1 else f'{slot}.{last_word(name)}'}: {error}") from error
            except (AttributeError, TypeError) as error:
                if ":" not in name:
                    raise
                raise UserError(
                    f"{name} cannot be made as `{last_word(name)}(setting, OPTION=…)`: {first_line(error)}; see "
                    "docs/your-own-method.md"
                ) from error
        found[slot] = made[0] if len(made) == 1 else Chain(made)
    return found


def changes(config: Config) -> dict[str, Any]:
    """Where a resolved configuration departs from its method's row: {"perturb": "da", "objective.T": 2.0}.

    Of another part than the row's, those options count that are not that part's defaults.
    """
    found: dict[str, Any] = {}
    told = config.model_dump(mode="json")
    row = resolved(config.model_copy(update={slot: {} for slot in SLOTS})).model_dump(mode="json")
    named = resolved(config.model_copy(update={slot: {"name": told[slot]["name"]} for slot in SLOTS}))
    for slot, bare in named.model_dump(mode="json", include=set(SLOTS)).items():
        swapped = told[slot]["name"] != row[slot]["name"]
        plain = flat({**bare, "name": row[slot]["name"]} if swapped else row[slot])
        differing = {key: value for key, value in flat(told[slot]).items() if value != plain.get(key)}
        found |= {slot if key == "name" else f"{slot}.{key}": value for key, value in differing.items()}
    return found


def method_slots(name: str) -> Slots:
    """The row of the methods' table, or the `Slots` that an import path names."""
    if ":" in name:
        found = imported(name)
        if not isinstance(found, Slots):
            raise UserError(f"{name} is not a sparring.methods.Slots; write `mine = Slots('what it does', …)` there")
        return found
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}. {did_you_mean(name, METHODS)}")
    return METHODS[name]


def keys_called(name: str) -> list[str]:
    """The dotted keys of the schema that end in `name`: "eps" → ["perturb.eps"]."""
    schema = [key for key in known_keys(Config) if key.endswith(f".{name}")]
    parts = [
        slot for slot, table in TABLES.items() if any(name in options_of(part).model_fields for part in table.values())
    ]
    return schema + [f"{slot}.{name}" for slot in parts]


def factory(slot: str, name: str) -> Callable[..., Any]:
    """What makes the part called `name` for `slot`."""
    if ":" in name:
        return imported(name)
    if name not in TABLES[slot]:
        raise UserError(f"unknown {slot} part {name!r}. {did_you_mean(name, TABLES[slot])}")
    return TABLES[slot][name]
