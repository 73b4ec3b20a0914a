"""What is kept in results/: whole or as it was, and a search that is kept shows the same page beside its paper's."""

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from folders import write_run
from test_sweep_page import SPACE, write_sweep

from sparring.errors import UserError
from sparring.recipes.da_tables import figure2
from sparring.report import markdown

RESULTS = Path(__file__).parent.parent.parent / "results"


@pytest.fixture
def results(monkeypatch):
    """The modules of results/ by name, which is no package."""
    monkeypatch.syspath_prepend(str(RESULTS))
    yield import_module
    for name in ("collect", "searched"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "sources", "told"),
    [
        ("", ["runs"], "'' names no folder"),
        ("..", ["runs"], r"'\.\.' names no folder"),
        ("a/b", ["runs"], "'a/b' names no folder"),
        ("kept", [], "nothing to collect"),
        ("kept", ["gone"], "does not exist"),
        ("kept", ["begun"], "of the 1 runs in .* none is finished"),
        ("kept", ["runs", "other/runs"], "2 sources are called runs"),
        ("own", ["runs"], r"holds run\.sh, which no run left"),
    ],
)
def test_what_cannot_be_collected_is_refused_and_nothing_is_lost(results, tmp_path, monkeypatch, name, sources, told):
    monkeypatch.chdir(tmp_path)
    for run in ("runs/kd", "other/runs/kd", "results/kept/before/kd"):
        write_run(tmp_path / run)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "metrics.jsonl").write_text("")
    (tmp_path / "results" / "own").mkdir()
    (tmp_path / "results" / "own" / "run.sh").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=told):
        results("collect").collect(name, [Path(source) for source in sources], tmp_path / "results")
    assert sorted(tmp_path.rglob("*")) == before


def test_pictures_are_kept_and_weights_are_not(results, tmp_path):
    write_run(tmp_path / "runs" / "kd")
    for name in ("augmentor.npz", "disagreement_examples.npz", "student.safetensors"):
        (tmp_path / "runs" / "kd" / name).write_bytes(b"")
    kept = results("collect").collect("kept", [tmp_path / "runs"], tmp_path) / "runs" / "kd"
    assert {file.name for file in kept.glob("*.npz")} == {"augmentor.npz", "disagreement_examples.npz"}
    assert not [*kept.glob("*.safetensors")]


def test_a_disk_that_is_full_leaves_what_was_kept(results, tmp_path, monkeypatch):
    write_run(tmp_path / "runs" / "kd")
    write_run(kept := tmp_path / "results" / "kept" / "before" / "kd")
    collect = results("collect")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(collect.shutil, "copy", full)
    with pytest.raises(OSError, match="No space"):
        collect.collect("kept", [tmp_path / "runs"], tmp_path / "results")
    assert (kept / "result.json").exists()
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["kept"]


def test_a_search_is_collected_and_shows_the_same(results, tmp_path):
    write_sweep(source := tmp_path / "runs" / "search")
    untested = {"method": "da", "student": "s", "data": "d", "seed": 0, "untested": "a trial"}
    trial = source / "trials" / "0000"
    trial.mkdir(parents=True)
    (trial / "result.json").write_text(json.dumps(untested))
    (trial / "student.safetensors").write_text("weights")
    (trial / "imagenet.json").write_text("{}")
    results("collect").collect("found", [source], tmp_path)
    place = results("collect").collect("found", [source], tmp_path)  # takes the first one's place
    assert markdown([place]) == markdown([source])
    kept = {str(path.relative_to(place / "search")) for path in (place / "search").rglob("*") if path.is_file()}
    assert {"sweep.json", "trials/0000/result.json", "trials/0000/imagenet.json"} <= kept
    assert not [name for name in kept if name.endswith(".safetensors")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found", "runs"]


@pytest.mark.parametrize("validation", [0.72, 0.70])
def test_a_kept_search_stands_beside_what_its_paper_found(results, tmp_path, validation):
    write_sweep(tmp_path, validation=validation)
    keys = {space["key"] for space in SPACE[:2]}
    hunt = figure2("smoke")
    hunt = replace(hunt, printed={key: value for key, value in hunt.printed.items() if key in keys})
    parts, short = results("searched").searched(tmp_path, hunt, "cpu")
    text = "\n".join(parts)
    assert "| perturb.alpha | log:0.001..0.1 | 0.01778 | 0.003375 | 0.003375 |" in text
    assert f"| accuracy on validation images, % |  |  | 53.00 | {100 * validation:.2f} |" in text
    assert "+1.20 [+0.70, +1.70] (3), helps" in text
    ours = "cpu scale: 6 trials, the best has steps 1, alpha 0.003375 (the paper's: steps 1, alpha 0.01778); chosen: "
    chosen = "trial-0003, which against the defaults helps" if validation > 0.70 else "the defaults"
    assert short == ours + chosen
