"""What a run's perturbation makes of images: kept when a run ends, and drawn."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image
from runs import configured
from safetensors.torch import load_file

from sparring import verbs
from sparring.data.load import load
from sparring.errors import UserError
from sparring.recipes.keepsakes import AUGMENTOR, KEEPSAKES, SNAPSHOTS, of_each_class
from sparring.recipes.run import run
from sparring.report import page

QUICK = {"perturb.l_min": 20, "perturb.l_max": 25, "perturb.patience": 1, "perturb.cap": 30, "perturb.rest": 2}
QUICK |= {
    "perturb.begin": "augmentor",
    "perturb.mean": "learned",
    "perturb.fresh": "augmentor",
    "perturb.start_in_pool": False,
    "perturb.start": 0.1,
}  # many phases in three epochs


@pytest.fixture(scope="module")
def students(teacher, tmp_path_factory):
    """A folder with a run of HARD, of its joint kind, of mixup and of the student alone."""
    out = tmp_path_factory.mktemp("students")
    run(configured(method="hard-affine", teacher=str(teacher), epochs=3, **{"optim.lr": 0.2}, **QUICK), out / "hard")
    run(configured(method="hard-mix", teacher=str(teacher), epochs=1, **{"perturb.patch": 4}), out / "mix")
    run(configured(method="kd", teacher=str(teacher), epochs=1, perturb="mixup"), out / "mixup")
    run(configured(epochs=1), out / "alone")
    return out


def arrays(path):
    with np.load(path) as found:
        return dict(found)


def test_a_run_keeps_its_augmentor_and_when_its_snapshots_joined(students):
    kept = load_file(students / "hard" / KEEPSAKES)
    joined = [kept[f"perturb.pool.{n}.joined"].tolist() for n in range(sum(key.endswith("joined") for key in kept))]
    assert len(joined) > SNAPSHOTS
    assert joined == sorted(joined)
    assert joined[0][0] >= 1  # patience
    assert joined[0][1] == 0  # the first phase is the augmentor's
    assert all(batch > step for batch, step in joined)
    assert kept["perturb.final.mean"].shape == kept["perturb.pool.0.mean"].shape == (6,)
    assert not (students / "alone" / KEEPSAKES).exists()
    assert not (students / "mixup" / AUGMENTOR).exists()


def test_the_pictures_made_again_are_those_of_the_runs_end(students, tmp_path):
    at_the_end = arrays(students / "hard" / AUGMENTOR)
    (place,) = verbs.show(students / "hard", out=tmp_path / "again.png")
    again = arrays(tmp_path / "again.npz")
    assert at_the_end.keys() == again.keys()
    assert all(np.array_equal(at_the_end[name], again[name]) for name in again)
    assert place == tmp_path / "again.png"
    assert np.asarray(Image.open(place)).std() > 10
    rows = again["rows"].tolist()
    assert rows[0] == "originals"
    assert rows[1].startswith("step 0 (epoch 0)")
    assert rows[-1] == "at the end"
    assert rows[-3:-1] == ["the same, drawn again"] * 2
    assert len(rows) == 1 + SNAPSHOTS + 2 + 1
    test = load("digits").test
    assert any(np.allclose(again["images"][0, 0], x / 255, atol=1e-3) for x in test.x.numpy())
    for row in range(1, len(rows)):
        assert np.abs(again["images"][row].astype(float) - again["images"][row - 1]).max() > 0.01, rows[row]


def test_what_is_drawn_without_keepsakes(students, tmp_path):
    verbs.show(students / "mixup", out=tmp_path / "m.png", images=5)
    found = arrays(tmp_path / "m.npz")
    assert found["images"].shape == (4, 5, 1, 8, 8)
    assert found["rows"].tolist() == ["originals", "as the student sees them", *["the same, drawn again"] * 2]
    verbs.show(students / "mix", out=tmp_path / "j.png", images=4, part="validation")
    assert arrays(tmp_path / "j.npz")["rows"].tolist() == ["originals", "at the end", *["the same, drawn again"] * 2]


def test_a_folder_of_runs(students, tmp_path):
    folder = tmp_path / "all"
    shutil.copytree(students, folder)
    assert verbs.show(folder) == [folder / "hard" / "augmentor.png", folder / "mix" / "augmentor.png"]
    text = page(folder, tmp_path / "report.html").read_text()
    assert text.count('class="pixels"') == 2
    for words in ("originals", "at the end", "l_max 25", "l_min 20", "snapshots kept", "distance from"):
        assert words in text


def test_mistakes_are_told_in_a_sentence(students, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(students / "hard", bare)
    (bare / KEEPSAKES).unlink()
    shutil.copytree(students / "alone", tmp_path / "none" / "alone")
    for place, options, message in (
        (students / "alone", {}, r"images as they are \(perturb=clean\)"),
        (bare, {}, r"holds no parts\.safetensors: .* train it again"),
        (students / "mix", {"images": 3}, "mixes groups of 2"),
        (students / "hard", {"images": 0}, "--images 0: give 1 to 64"),
        (students, {"out": tmp_path / "x.png"}, "--out names one picture, and below .* 2 runs"),
        (tmp_path / "none", {}, "no run below .* has learned an augmentor"),
        (tmp_path / "nowhere", {}, "is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            verbs.show(place, **options)


def test_images_of_as_many_classes_as_can_be():
    labels = np.array([2, 2, 0, 1, 0, 2])
    assert of_each_class(labels, 4).tolist() == [2, 3, 0, 4]
    assert of_each_class(labels, 2).tolist() == [2, 0]
    assert sorted(of_each_class(labels, 9)) == [0, 1, 2, 3, 4, 5]


def test_an_unfinished_run_is_told_as_one(students, tmp_path):
    shutil.copytree(students / "hard", tmp_path / "begun")
    (tmp_path / "begun/result.json").unlink()
    with pytest.raises(UserError, match="holds no finished run"):
        verbs.show(tmp_path / "begun")


def test_of_several_runs_those_that_can_be_drawn_are(students, tmp_path, capsys):
    for name in ("hard", "spoilt"):
        shutil.copytree(students / "hard", tmp_path / name)
    told = (tmp_path / "spoilt/config.yaml").read_text()
    (tmp_path / "spoilt/config.yaml").write_text(re.sub("(?m)^teacher: .*", "teacher: nowhere/at/all", told))
    assert verbs.show(tmp_path) == [tmp_path / "hard" / "augmentor.png"]
    assert f"{tmp_path / 'spoilt'} is left out:" in capsys.readouterr().err
