"""ImageNet's variants, in tiny folders of the same layouts: black, grey and white pictures are the classes."""

import json
import shutil

import pytest
from PIL import Image
from runs import configured

from sparring import verbs
from sparring.errors import UserError
from sparring.evaluate.imagenet import ALEXNET, mean_corruption_error
from sparring.recipes.run import run

SHADES = {"n01": 0, "n02": 85, "n03": 170, "n04": 255}


def picture(path, shade, size=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (shade,) * 3).save(path)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A perceptron that tells the four shades apart."""
    place = tmp_path_factory.mktemp("imagenet")
    for wnid, shade in SHADES.items():
        for number in range(24):
            picture(place / "data" / "train" / wnid / f"{number}.png", max(0, min(255, shade + number - 12)))
            picture(place / "data" / "val" / wnid / f"{number}.png", shade)
    made = configured(
        data=str(place / "data"), student="mlp-64", epochs=15, batch_size=16, augment="none", size=8, workers=0
    )
    run(made, place / "run")
    assert verbs.evaluate(place / "run")["accuracy"] == 1
    return place / "run"


def test_a_class_is_chosen_among_those_of_the_folder(student, tmp_path):
    picture(tmp_path / "imagenet-a" / "n01" / "x.png", 0, size=20)  # of another size than the student's
    picture(tmp_path / "imagenet-a" / "n02" / "x.png", 85)
    for wnid in ("n01", "n02"):  # white is n04; chosen among n01 and n02 it is one of them
        picture(tmp_path / "imagenet-a" / wnid / "white.png", 255)
    assert verbs.evaluate(student, on=tmp_path / "imagenet-a") == {"a": 0.75}
    assert verbs.evaluate(student, on=tmp_path / "imagenet-a", kind="sketch") == {"sketch": 0.5}
    told = json.loads((student / "imagenet.json").read_text())
    assert told["a"]["accuracy"] == 0.75
    assert told["a"]["images"] == 4
    assert set(told) == {"a", "sketch"}


def test_v2_counts_its_classes(student, tmp_path):
    for label, shade in enumerate(SHADES.values()):
        picture(tmp_path / "v2" / str(label) / "x.png", shade)
    picture(tmp_path / "v2" / "3" / "y.png", 0)
    assert verbs.evaluate(student, on=tmp_path / "v2") == {"v2": 0.8}
    picture(tmp_path / "v2" / "4" / "x.png", 0)
    with pytest.raises(UserError, match=r"does not know the class '4' .* 4 classes are 0 to 3"):
        verbs.evaluate(student, on=tmp_path / "v2")


@pytest.mark.parametrize("flat", [True, False])
def test_real_takes_several_right_answers_and_leaves_out_what_has_none(student, tmp_path, flat):
    for number, shade in ((1, 0), (2, 85), (3, 170), (5, 0)):
        folder = tmp_path / "val" if flat else tmp_path / "val" / f"n0{number % 2}"
        picture(folder / f"ILSVRC2012_val_0000000{number}.png", shade)
    labels = tmp_path / "val" / "real.json"
    labels.write_text("[[0], [3, 1], [], [2], [1, 2, 3]]")
    assert verbs.evaluate(student, on=tmp_path / "val") == {"real": pytest.approx(2 / 3)}
    assert json.loads((student / "imagenet.json").read_text())["real"]["images"] == 3
    shutil.move(labels, tmp_path / "real.json")  # beside the folder, it must be asked for
    assert verbs.evaluate(student, on=tmp_path / "val", kind="real") == {"real": pytest.approx(2 / 3)}
    for text, message in (
        ("[[0], [4], [], [], []]", "names class 4, but the student was trained on the 4 classes"),
        ("[[0]]", "none of the 1 images"),
        ("{}", "not a list"),
        ("[0", "not a list"),
        ("[[], [], [], [], []]", "no label for any image"),
    ):
        (tmp_path / "real.json").write_text(text)
        with pytest.raises(UserError, match=message):
            verbs.evaluate(student, on=tmp_path / "val", kind="real")
    (tmp_path / "real.json").unlink()
    with pytest.raises(UserError, match=r"real\.json .* lies neither in"):
        verbs.evaluate(student, on=tmp_path / "val", kind="real")


def test_c_by_corruption_and_severity(student, tmp_path, capsys):
    for level in range(1, 6):
        picture(tmp_path / "fog" / str(level) / "n04" / "x.png", 255 if level < 4 else 0)
        picture(tmp_path / "snow" / str(level) / "n01" / "x.png", 0)
    found = verbs.evaluate(student, on=tmp_path)
    assert found["c"] == pytest.approx(0.8)
    assert (found["c/fog/3"], found["c/fog/4"], found["c/snow/5"]) == (1, 0, 1)
    assert "mce" not in found
    assert "no mCE: it is the mean over 15 corruptions at 5 severities, and 2 are here whole" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "snow")
    for name in set(ALEXNET) - {"fog"}:
        shutil.copytree(tmp_path / "fog", tmp_path / name)
    mce = sum(0.4 / (alexnet / 100) for alexnet in ALEXNET.values()) / 15
    assert verbs.evaluate(student, on=tmp_path)["mce"] == pytest.approx(mce)


def test_alexnet_is_the_measure():
    same = {name: dict.fromkeys(range(1, 6), error / 100) for name, error in ALEXNET.items()}
    assert mean_corruption_error(same) == pytest.approx(1)
    half = {name: {level: error / 2 for level, error in levels.items()} for name, levels in same.items()}
    assert mean_corruption_error(half | {"speckle_noise": {1: 1.0}}) == pytest.approx(0.5)
    assert mean_corruption_error({name: same[name] for name in list(same)[1:]}) is None
    del same["fog"][3]
    assert mean_corruption_error(same) is None


def test_mistakes_are_told_in_a_sentence(student, tmp_path):
    picture(tmp_path / "odd" / "n01" / "x.png", 0)
    (tmp_path / "empty").mkdir()
    for on, kind, message in (
        ("nowhere", None, "does not exist"),
        ("nowhere", "a", "does not exist"),
        ("odd/n01/x.png", "a", "is a file"),
        ("odd", None, "cannot be told from its folders: say --as"),
        ("odd", "sketches", "Did you mean 'sketch'"),
        ("empty", "r", "holds no class folders"),
        ("odd", "c", "holds no corrupted images"),
    ):
        with pytest.raises(UserError, match=message):
            verbs.evaluate(student, on=tmp_path / on, kind=kind)
    picture(tmp_path / "odd" / "n05" / "x.png", 0)
    with pytest.raises(UserError, match=r"does not know the class 'n05' .* such as n01"):
        verbs.evaluate(student, on=tmp_path / "odd", kind="r")
    with pytest.raises(UserError, match="ask for one"):
        verbs.evaluate(student, on=tmp_path / "odd", corruptions=())
