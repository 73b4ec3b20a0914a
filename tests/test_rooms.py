"""The arrows between the rooms point one way, and what belongs to the engine stays there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sparring"
GROUND = {"errors", "files", "keys", "userfile"}  # no room: plain Python under all of them
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "keys": set(),
    "userfile": {"errors"},
    "core": {"errors"},
    "engine": {"core"},
    "parts": {"core"},
    "methods": {"core", "parts", "nets"},
    "nets": {"core"},
    "data": {"core"},
    "evaluate": {"core", "parts"},
    "report": set(),
    "watch": {"core"},
    "testing": {"core", "engine", "parts"},
    "recipes": {"core", "engine", "parts", "methods", "nets", "data", "evaluate", "report", "watch"},
    "launch": {"core", "engine", "nets", "recipes", "report", "watch"},
    "demo": {"recipes", "launch", "report"},
    "verbs": {"core", "parts", "recipes", "launch", "report", "methods", "nets", "data", "evaluate"},
    "verbs_sweep": {"recipes", "launch"},
    "arguments": {"recipes"},
    "cli_augmentor": {"arguments", "recipes", "verbs"},
    "cli_compare": {"arguments", "verbs"},
    "cli_evaluate": {"arguments", "verbs"},
    "cli_export": {"arguments", "report", "verbs"},
    "cli_list": {"arguments", "verbs", "recipes"},
    "cli_show": {"arguments", "verbs"},
    "cli_sweep": {"arguments", "report", "verbs_sweep"},
    "cli_train": {"arguments", "verbs"},
    "cli": {
        *(f"cli_{verb}" for verb in ("augmentor", "compare", "evaluate", "export", "list", "show", "sweep", "train")),
        *("arguments", "recipes", "verbs", "report", "demo"),
    },
    "__init__": {"verbs", "verbs_sweep", "core"},
    "__main__": {"cli"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms of sparring that a file imports, those for type checking alone included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "sparring":
            inner = node.module.split(".")[1:]
            found |= {inner[0]} if inner else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("sparring.")}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path: Path) -> None:
    here = room(path)
    assert here in MAY_IMPORT, (
        f"{here} is a new room: say here what it may import, and in docs/design.md what it is for"
    )
    wrong = imports(path) - MAY_IMPORT[here] - GROUND - {here, "__version__"}
    assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}; {here} may import {sorted(MAY_IMPORT[here])}"


def test_only_the_engine_descends() -> None:
    for path in FILES:
        if room(path) != "engine":
            assert not re.search(r"\.backward\(|optimizer\.step\(", path.read_text()), path


def test_the_engine_asks_no_questions() -> None:
    for path in FILES:
        if room(path) == "engine":
            names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
            asked = names & {"isinstance", "hasattr", "getattr"}
            assert not asked, f"{path} asks {asked}"
            assert not re.search(r"\b(?:student|teacher|augmentor|guide)\b", path.read_text()), f"{path} names a role"


def test_files_and_functions_stay_small() -> None:
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= 300, f"{path} has {len(text.splitlines())} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 40, f"{path}: {node.name} has {lines} lines of body"


def test_no_drawer_for_odds_and_ends() -> None:
    assert not [p for p in FILES if p.stem in ("utils", "util", "misc", "common", "helpers")]


def test_the_core_needs_torch_alone() -> None:
    for path in (PACKAGE / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top in {"sparring", "torch", "__future__"} or top in __import__("sys").stdlib_module_names, name


def test_the_package_says_what_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert (PACKAGE / "py.typed").exists()
    assert all(">=" in need for need in project["dependencies"])
