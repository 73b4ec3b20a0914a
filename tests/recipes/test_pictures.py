"""A DiSK run on the digits: what its guide censors, and the losses around its student."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from runs import configured
from safetensors.torch import load_file

from sparring import verbs
from sparring.errors import UserError
from sparring.evaluate.landscape import weights_of
from sparring.nets import load
from sparring.recipes.build import bout
from sparring.recipes.examine import kept_by, reopened
from sparring.recipes.keepsakes import AUGMENTOR, GUIDE, KEEPSAKES
from sparring.recipes.run import run
from sparring.report import page

SMALL = {"size": 16, "val": 0.4, "batch_size": 32}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a teacher, a student alone, and DiSK's that starts from it."""
    out = tmp_path_factory.mktemp("disk")
    run(configured(student="resnet10-xs", **SMALL), out / "teacher")
    run(configured(student="resnet10-xxxs", epochs=1, **SMALL), out / "alone")
    told = {"teacher": str(out / "teacher"), "student": str(out / "alone"), "epochs": 2, **SMALL}
    disk = {"method": "disk", "objective.inner": 0.5, "objective.k": 3, "objective.lambda_min": 20}
    run(configured(**told, **disk), out / "disk")
    return out


def arrays(path):
    with np.load(path) as found:
        return dict(found)


def test_a_run_keeps_what_its_guide_censors_and_shows_it_again(runs, tmp_path):
    kept = load_file(runs / "disk" / KEEPSAKES)
    assert {"objective.T_s", "objective.delta", "objective.lambda"} < kept.keys()
    assert not (runs / "disk" / AUGMENTOR).exists()
    assert not (runs / "alone" / GUIDE).exists()
    found = arrays(runs / "disk" / GUIDE)
    count = len(found["values"])
    assert found["images"].shape == (2, 8, 1, 16, 16)
    assert found["share"][0, 0] == found["taken"].max()
    assert found["share"][1, 0] == found["taken"].min()
    assert (np.diff(found["share"][0]) <= 0).all()
    assert set(found["value"].flatten()) <= set(found["values"])
    assert ((found["taken"] >= 0) & (found["taken"] <= 1)).all()
    accuracy = verbs.evaluate(runs / "disk")["accuracy"]
    assert found["right"].mean() == pytest.approx(accuracy, abs=1.5 / count)
    assert verbs.show(runs / "disk", out=tmp_path / "g.png") == [tmp_path / "g.png"]
    assert np.asarray(Image.open(tmp_path / "g.png")).std() > 10
    again = arrays(tmp_path / "g.npz")
    np.testing.assert_allclose(again["values"], found["values"], atol=1e-4)
    assert (again["taught"] == found["taught"]).mean() > 0.99
    text = page(runs / "disk", tmp_path / "r.html").read_text()
    assert "What the guide of disk" in text
    assert text.count('class="pixels"') == 1
    assert "least censored" in text


def test_a_landscape_from_the_start_to_the_end(runs, tmp_path):
    (place,) = verbs.show(runs / "disk", landscape=True, points=3, images=40)
    assert place == runs / "disk" / "landscape.png"
    assert np.asarray(Image.open(place)).std() > 10
    found = arrays(place.with_suffix(".npz"))
    assert found["surfaces"].shape == (3, 3, 3)
    assert [name.split(":")[0] for name in found["losses"]] == ["CE", "KD", "disk"]
    points = dict(zip(found["points"].tolist(), found["at"].tolist(), strict=True))
    assert points["end"] == pytest.approx([0, 0], abs=1e-6)
    assert points["start"] == pytest.approx([-1, 0], abs=1e-3)
    assert found["x"].tolist() == pytest.approx([-1.4, -0.4, 0.6])
    assert found["images"] == 40
    assert np.isfinite(found["surfaces"]).all()
    losses = dict(zip(found["points"].tolist(), found["lost"].tolist(), strict=True))
    assert losses["end"] != losses["start"]
    text = page(runs / "disk", tmp_path / "r.html").read_text()
    assert "The losses around the student of disk" in text
    place.with_suffix(".npz").unlink()


def test_a_landscape_without_the_guide_says_so(runs, tmp_path, capsys):
    shutil.copytree(runs / "disk", tmp_path / "disk")
    (tmp_path / "disk" / KEEPSAKES).unlink()
    verbs.show(tmp_path / "disk", landscape=True, points=3, images=16)
    assert "without the run's own loss" in capsys.readouterr().err


def test_a_landscape_of_a_student_alone_is_ce_on_random_directions(runs, tmp_path):
    verbs.show(runs / "alone", landscape=True, points=3, images=16, out=tmp_path / "l.png")
    found = arrays(tmp_path / "l.npz")
    assert found["losses"].tolist() == ["CE"]
    assert "start" not in found["points"].tolist()
    assert found["surfaces"][0, 1, 1] == pytest.approx(found["lost"][0, 0], rel=1e-6)


def test_a_start_or_a_teacher_that_is_gone_is_left_out(runs, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    shutil.copytree(runs / "disk", tmp_path / "there" / "disk")
    told = tmp_path / "there" / "disk" / "result.json"
    told.write_text(told.read_text().replace(str(runs / "alone"), str(tmp_path / "nowhere")))
    verbs.show(tmp_path / "there" / "disk", landscape=True, points=3, images=8)
    assert "without the start" in capsys.readouterr().err
    assert "start" not in arrays(tmp_path / "there" / "disk" / "landscape.npz")["points"].tolist()
    told = tmp_path / "there" / "disk" / "config.yaml"
    told.write_text(told.read_text().replace(str(runs / "teacher"), str(tmp_path / "nowhere")))
    verbs.show(tmp_path / "there" / "disk", landscape=True, points=3, images=8)
    assert "without the teacher" in capsys.readouterr().err
    assert arrays(tmp_path / "there" / "disk" / "landscape.npz")["losses"].tolist() == ["CE"]


def test_mistakes_are_told_in_a_sentence(runs):
    for place, options, message in (
        ("alone", {}, r"\(perturb=clean\), and no guide censored any"),
        ("disk", {"points": 5}, "--points 5 is of a landscape's grid: add --landscape"),
        ("disk", {"landscape": True, "points": 2}, "--points 2: give 3 to 101"),
        ("disk", {"landscape": True, "images": 0}, "--images 0: give 1 or more"),
        ("disk", {"landscape": True, "part": "test"}, "--part test has no place there"),
        ("nowhere", {"landscape": True}, "is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            verbs.show(runs / place, **options)


def test_a_method_recalled_censors_as_it_did(runs):
    config, data, student, teacher = reopened(runs / "disk")
    method = bout(config, student, teacher, data)
    kept = kept_by(runs / "disk")
    method.recall(kept)
    now = method.keepsakes()
    assert now.keys() == {name for name in kept if name in now}
    assert all(torch.allclose(now[name].float(), kept[name].float()) for name in now)
    assert weights_of(load(str(runs / "disk"))).keys() == weights_of(student).keys()
