"""Every recipe: what all of them say of themselves, what is kept of them, and all of them played in a row."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from sparring import verbs
from sparring.cli import app
from sparring.errors import UserError
from sparring.launch.everything import everything
from sparring.recipes import da_tables, disk_models, disk_tables, hard_literature, listing, published
from sparring.recipes.rows import TEACHER, Recipe

ROOT = Path(__file__).parents[2]
PAPERS = {"KD in an adversarial context", "Disagreement Augmentation", "DiSK", "HARD", "ours"}


@pytest.mark.parametrize("name", published.RECIPES)
def test_a_recipe_says_whose_it_is_and_what_is_kept_of_it(name):
    recipe = published.find(name)
    assert recipe.paper in PAPERS
    assert recipe.shows
    assert recipe.claim
    assert [recipe.rows, recipe.hunt, recipe.draw].count(None) == 2
    assert recipe.place is None or published.find(recipe.place).place is None
    kept = listing.evidence(name)
    assert kept["status"]
    assert set(kept["costs"]) == ({"any"} if recipe.draw else set(recipe.scales))
    assert f"\n## {name}\n" in (ROOT / "docs" / "reproductions.md").read_text()


@pytest.mark.parametrize("name", [name for name, recipe in published.RECIPES.items() if recipe.rows])
def test_a_recipe_says_which_differences_its_claim_is_about(name):
    recipe = published.find(name)
    assert recipe.rows is not None
    for scale in recipe.scales:
        rows = recipe.rows(scale)
        assert any(row.about for row in rows) or not any(row.order and row.claims for row in rows)
        for row in rows:
            assert {each[:2] for each in row.about} <= set(row.order)
            assert set(row.matched.values()) <= set(row.variants)


def test_every_table_and_figure_of_the_papers_has_a_name():
    shown = {(recipe.paper, recipe.shows) for recipe in published.RECIPES.values()}
    for number in range(1, 6):
        assert {("HARD", f"Table {number}"), ("KD in an adversarial context", f"Table {number}")} <= shown
    assert {("DiSK", f"Table {number}") for number in range(1, 9)} <= shown
    assert {("DiSK", "Fig. 1"), ("DiSK", "Fig. 2"), ("HARD", "Fig. 2"), ("HARD", "Fig. 3")} <= shown
    assert {("Disagreement Augmentation", each) for each in ("Table I", "Fig. 3", "Fig. 4")} <= shown


def test_the_list_is_aligned_within_a_terminal(capsys):
    app(["list", "recipes"], exit_on_error=False, result_action="return_value")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    heads = [line for line in lines if re.match(r"\S+ {2,}\S", line)]
    assert [line.split()[0] for line in heads] == list(published.RECIPES)
    assert {line.index(line.split()[1]) for line in heads} == {20}
    claims = [line for line in lines if line.startswith(" " * 20 + "claim   ")]
    assert "DA beats KD by 0.4 to 2.0 points" in " ".join(claims)
    told = verbs.known("recipes")
    assert list(told) == list(published.RECIPES)
    assert told["da-table1"].startswith("Disagreement Augmentation, Table I: DA beats KD")


def test_all_are_played_and_what_cannot_be_is_told(tmp_path, monkeypatch):
    def play(name, place):
        played.append((name, place.name))
        if name == "broken":
            raise UserError("no such data")
        if name == "odd":
            raise RuntimeError("CUDA error")
        return place / "report.html"

    played = []
    plain = Recipe("a table", rows=lambda scale: [], paper="ours", shows="nothing")
    some = {
        "one": plain,
        "broken": plain,
        "odd": plain,
        "two": Recipe("another", rows=lambda scale: [], place="one"),
        "imagenet": Recipe("a third", rows=lambda scale: [], needs={("data", "smoke"): "a folder of pictures"}),
        "long": Recipe("a fourth", rows=lambda scale: [], scales=("full",)),
    }
    monkeypatch.setattr("sparring.launch.everything.RECIPES", some)
    with pytest.raises(UserError, match=r"^broken, odd could not be run at smoke scale: see .*report.html$"):
        everything("smoke", tmp_path, play)
    assert played == [("one", "one"), ("broken", "broken"), ("odd", "odd"), ("two", "one")]
    told = json.loads((tmp_path / "everything.json").read_text())["recipes"]
    assert [each["status"] for each in told.values()] == [
        "ran",
        "failed: no such data",
        "failed: RuntimeError: CUDA error",
        "ran",
        "left out: it needs --data: a folder of pictures",
        "left out: it has no smoke scale",
    ]
    text = (tmp_path / "report.md").read_text()
    assert "2 of 6 ran, 2 need what is not here, 2 failed" in text
    del some["broken"], some["odd"]
    assert everything("smoke", tmp_path, play) == tmp_path / "report.html"


@pytest.mark.parametrize(
    "words", [[], ["da-table1", "--all"], ["--all", "--row", "mnist"], ["--all", "--elsewhere", "x"]]
)
def test_one_recipe_or_all_of_them(words):
    with pytest.raises(UserError, match=r"which\? `sparring reproduce NAME`"):
        app(["reproduce", *words], exit_on_error=False, result_action="return_value")


def test_networks_are_as_large_as_printed(tmp_path):
    page = disk_models.table6(tmp_path, "smoke")
    text = (tmp_path / "report.md").read_text()
    assert page.exists()
    assert text.count("| matches |") == len(disk_models.TABLE_6)
    assert "1.08 billion | 1.08 billion" in text
    with pytest.raises(UserError, match="leave --seeds out"):
        disk_models.table2(tmp_path, "smoke", 3)


def test_literature_is_printed_and_said_not_to_be_run(tmp_path):
    hard_literature.table5(tmp_path, "full")
    text = (tmp_path / "report.md").read_text()
    assert "| BiT ResNet50 (distilled) | 82.8 | 87.5 | 72.5 | 25.1 | 45.3 | 51.8 | 31.6 | 15.1 | not run here |" in text
    assert text.count("not run here") == 4


def test_parts_of_other_tables_share_their_runs():
    whole = {row.name: row for row in disk_tables.table3("full")}
    alone = disk_tables.table5("full")
    assert len(alone) == 8
    for row in alone:
        assert row.variants == {"ce": whole[row.name].variants["ce"]}
        assert set(row.claims) == {TEACHER, "ce"}
    (pair, other) = disk_tables.table8("full")
    assert {pair.name, other.name} == {"wrn-40-2-post-resnet8x4", "wrn-40-2-post-wrn-40-1-post"}
    gain = pair.claims["simkd-disk"]["best"].mean - pair.claims["simkd"]["best"].mean
    assert gain == pytest.approx(0.38)
    first = da_tables.table1("full")[0]
    (climbed,) = da_tables.figures("full")
    assert climbed.climbed
    assert climbed.variants.items() <= first.variants.items()
    assert first.claims["da"]["accuracy"].mean == pytest.approx(74.12)  # the logs' last epochs
    assert first.claims["kd"]["accuracy"].mean == pytest.approx(73.37)


@pytest.mark.slow
def test_the_page_of_reproductions_is_what_results_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "results"))
    spec = importlib.util.spec_from_file_location("reproductions", ROOT / "results" / "reproductions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproductions", module)
    spec.loader.exec_module(module)
    page, shipped = module.made()
    assert (ROOT / "docs" / "reproductions.md").read_text() == page
    assert listing.KEPT.read_text() == shipped
