"""What arms, students and data are called on a page: short, one name each, and nothing that differs left untold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from sparring.report.ledger import Run, typed

SLOTS = ("perturb", "targets", "objective")
CONTENTS = "data's contents"
SAME = ("teacher's weights", "start's weights", CONTENTS)  # hashes of what may have changed under the same name
UNSAID = ("start", "size")  # settings that are none where a student starts from chance, and images are as they are
Told = Mapping[Path, Mapping[str, str]]
Values = Mapping[str, str]


def labels(arms: Sequence[Sequence[Run]], told: Told) -> list[str]:
    """The label of each arm (its runs): its method, or its line of a reproduced table, and behind it each key in which
    it differs from another of the page. told: the settings of each run."""
    lines = _lines(arms)
    short = shortened(sorted({_bare(members) for members in arms}))
    bases = [line or short[_bare(members)] for line, members in zip(lines, arms, strict=True)]
    values = [_values(members, told) for members in arms]
    changed = [_changes(members) for members in arms]
    everywhere = _between([each for each, line in zip(values, lines, strict=True) if line is None])
    found = []
    for base, mine, own, line in zip(bases, values, changed, lines, strict=True):
        rivals = [at for at, other in enumerate(bases) if other == base]
        keys = _within([values[at] for at in rivals], set().union(*(changed[at] for at in rivals)))
        if line is None:
            keys |= everywhere
            keys |= {key for key in own if _stands_out([each[key] for each in values if key in each])}
        order = [key for key in own if key in keys]
        order += sorted(keys - set(order))
        found.append(_label(base, [key for key in order if key in mine], mine, values))
    return _apart(found, values)


def shortened(specs: Iterable[str]) -> dict[str, str]:
    """What each of some specs is called: of FILE.py:NAME and of a folder the last of its path, with as many folders
    before it as set it apart from the others; any other as it is."""
    known = list(dict.fromkeys(specs))
    found: dict[str, str] = {}
    for spec in known:
        counts = range(1, len(PurePath(spec).parts) + 1)
        clear = (count for count in counts if sum(_tail(each, count) == _tail(spec, count) for each in known) == 1)
        found[spec] = _tail(spec, next(clear, len(counts)))
    return found


def distinct(key: str, found: Iterable[Values]) -> set[str | None]:
    """The values of some settings under a key; none is one too, but of a user's own file, by its name, which earlier
    versions did not always write down."""
    return {each.get(key) for each in found} - ({None} if _is_file(key) else set())


def in_two(label: str) -> tuple[str, str]:
    """A label's method, and what sets it apart ("objective.T=2, epochs 30"; empty where nothing does)."""
    found = re.search(r" (?:\+ |(?=\())", label)
    return (label[: found.start()], label[found.end() :]) if found else (label, "")


def _lines(arms: Sequence[Sequence[Run]]) -> list[str | None]:
    """The line of a reproduced table that each arm is of; None of none, and where another method goes by that name."""
    methods: dict[str, set[str]] = {}
    for members in arms:
        methods.setdefault(members[0].line or _bare(members), set()).add(_bare(members))
    lines = [members[0].line for members in arms]
    return [line if line is not None and len(methods[line]) == 1 else None for line in lines]


def _bare(members: Sequence[Run]) -> str:
    """An arm's method without what it changed."""
    return str(members[0].result.get("method") or members[0].method)


def _changes(members: Sequence[Run]) -> dict[str, str]:
    """What an arm changed of its method's row."""
    return {key: typed(value) for key, value in (members[0].result.get("changes") or {}).items()}


def _values(members: Sequence[Run], told: Told) -> dict[str, str]:
    """The settings that all runs of an arm share, its changes among them; a slot's part goes by the slot's name."""
    first, *others = (told[run.path] for run in members)
    same = {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}
    renamed = {re.sub(rf"^({'|'.join(SLOTS)})\.name$", r"\1", key): value for key, value in same.items()}
    return renamed | _changes(members)


def _within(rivals: Sequence[Values], changed: set[str]) -> set[str]:
    """The keys in which arms of one method differ; an option that some do not have is of another part, unless one of
    them changed it."""
    keys = set().union(*rivals) - set(SAME)
    differing = {key for key in keys if len(distinct(key, rivals)) > 1}
    return {key for key in differing if not _is_option(key) or key in changed or all(key in each for each in rivals)}


def _between(arms: Sequence[Values]) -> set[str]:
    """The keys beside the slots' in which arms of any method differ. That one has none says something of those in
    `UNSAID` alone: others are missing where a method has no teacher, or a file cannot be read."""
    keys = {key for key in set().union(*arms) if not _is_option(key)} - set(SAME)
    return {key for key in keys if len({each.get(key) for each in arms} - (set() if key in UNSAID else {None})) > 1}


def _stands_out(found: Sequence[str]) -> bool:
    """Whether an option, by its values in all arms that have it, is not the same for several."""
    return len(found) == 1 or len(set(found)) > 1


def _is_option(key: str) -> bool:
    return key.partition(".")[0] in SLOTS and not _is_file(key)


def _is_file(key: str) -> bool:
    """Whether a setting is the hash of a user's own file, whose name the key is."""
    return key.endswith(".py")


def _word(key: str) -> str:
    """What a setting beside the slots' is called in a label: the last word of its key, or the file's name."""
    return key if _is_file(key) else key.rpartition(".")[2]


def _label(base: str, keys: Sequence[str], mine: Values, values: Sequence[Values]) -> str:
    """ "da + perturb.alpha=0.02 (lr 0.1)": a slot's options as one types them, other settings by their last word."""
    said = {key: _said(mine[key], [each[key] for each in values if key in each]) for key in keys}
    last = Counter(_word(key) for key in keys if not _is_option(key))
    options = ", ".join(f"{key}={said[key]}" for key in keys if _is_option(key))
    others = {key: _word(key) for key in keys if not _is_option(key)}
    rest = ", ".join(f"{word if last[word] == 1 else key} {said[key]}" for key, word in others.items())
    return base + (f" + {options}" if options else "") + (f" ({rest})" if rest else "")


def _said(value: str, others: Sequence[str]) -> str:
    """A value in short: a number in four digits, unless another then reads the same."""
    short = {each: _brief(each) for each in {value, *others}}
    return short[value] if len(set(short.values())) == len(short) else value


def _brief(value: str) -> str:
    if re.fullmatch(r"-?\d+\.\d+(e-?\d+)?|-?\d+e-\d+", value):
        return typed(float(value))
    return _tail(value, 1) if ".py:" in value else value


def _apart(found: Sequence[str], values: Sequence[Values]) -> list[str]:
    """Labels of which no two are the same: by the hashes of what has one name, by numbers where nothing tells."""
    told: list[str] = []
    for label, mine in zip(found, values, strict=True):
        alike = [each for each, other in zip(values, found, strict=True) if other == label]
        keys = [key for key in SAME if key in mine and len({each.get(key) for each in alike}) > 1]
        more = ", ".join(f"{key} {mine[key]}" for key in keys)
        name = (f"{label[:-1]}, {more})" if label.endswith(")") else f"{label} ({more})") if more else label
        twins = sum(each.split(" #")[0] == name for each in told)
        told.append(f"{name} #{twins + 1}" if twins else name)
    return told


def _tail(spec: str, count: int) -> str:
    """The last `count` parts of a path; of FILE.py:NAME@SAME those of the file, and the name of the weights' own."""
    file, python, name = spec.partition(".py:")
    if spec.startswith("ensemble:") or not (python or PurePath(spec).is_absolute()):
        return spec
    name, at, weights = name.partition("@")
    return "/".join(PurePath(file).parts[-count:]) + python + name + at + PurePath(weights).name
