"""A run's student on corrupted images: made here, and out of published folders."""

import json

import numpy as np
import pytest
from runs import configured

from sparring import verbs
from sparring.cli_evaluate import grid
from sparring.data.load import load
from sparring.errors import UserError
from sparring.recipes.run import run


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    out = tmp_path_factory.mktemp("students") / "digits"
    run(configured(epochs=3), out)
    return out


def test_translate_in_one_call(student):
    found = verbs.evaluate(student, corruptions=["translate"], severity=[3])
    assert set(found) == {"accuracy", "translate/3", "mean"}
    assert found["translate/3"] == found["mean"] < found["accuracy"]
    told = json.loads((student / "corruptions.json").read_text())
    assert told["accuracy"]["translate"] == {"3": found["translate/3"]}
    assert told["clean"] == found["accuracy"]


def test_what_was_asked_before_of_the_same_images_stays(student):
    verbs.evaluate(student, corruptions=["shear,stripe"], severity=[1, 2])
    verbs.evaluate(student, corruptions=["shear"], severity=[5])
    told = json.loads((student / "corruptions.json").read_text())
    assert set(told["accuracy"]["shear"]) == {"1", "2", "5"}
    assert set(told["accuracy"]["stripe"]) == {"0"}
    verbs.evaluate(student, corruptions=["scale"], severity=[1], part="validation")  # other images: nothing stays
    assert set(json.loads((student / "corruptions.json").read_text())["accuracy"]) == {"scale"}


def test_all_that_can_be_made_is_made_and_the_rest_said(student, capsys, monkeypatch):
    monkeypatch.setattr("sparring.evaluate.corruptions.extra.missing", lambda module: True)
    found = verbs.evaluate(student, corruptions=(), severity=[1])
    made = {"translate/1", "shear/1", "scale/1", "rotate/1", "brightness/1", "stripe", "fog/1", "spatter/1", "zigzag"}
    made |= {"dotted_line", "shot_noise/1", "impulse_noise/1", "glass_blur/1", "motion_blur/1"}
    assert set(found) == {"accuracy", "mean", *made}  # MNIST-C's fifteen, but for one
    said = capsys.readouterr().err
    assert "left out canny_edges: needs skimage" in said
    assert "left out saturate: needs colour" in said
    assert ", defocus_blur, " in said
    assert said.count("is not in MNIST-C") == 1


def test_mistakes_are_told_in_a_sentence(student, tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.evaluate.corruptions.extra.missing", lambda module: True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for asked, severity, message in (
        (["translat"], (), "Did you mean 'translate'"),
        (["translate"], (0,), "--severity 0 does not exist"),
        (["translate"], (6,), "--severity 6 does not exist"),
        (["canny_edges"], (), "canny_edges needs skimage: pip install"),
        (["frost"], (), "frost is not in MNIST-C"),
        ([str(tmp_path / "nowhere")], (), "is no folder that exists"),
        ([str(tmp_path / "file")], (), "is a file"),
        ([str(tmp_path / "empty")], (), "holds no corrupted images"),
        ([str(tmp_path), str(tmp_path)], (), "a second folder"),
    ):
        with pytest.raises(UserError, match=message):
            verbs.evaluate(student, corruptions=asked, severity=severity)
    with pytest.raises(UserError, match="holds no finished run"):
        verbs.evaluate(tmp_path, corruptions=())


@pytest.fixture
def clean():
    part = load("digits").test
    return part.x.permute(0, 2, 3, 1).numpy(), part.y.numpy()


def test_a_folder_as_mnist_c_is_published(student, tmp_path, clean):
    x, y = clean
    for name, images in (("identity", x), ("translate", np.roll(x, 3, axis=2)), ("same", x)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "test_images.npy", images)
        np.save(tmp_path / name / "test_labels.npy", y)
    found = verbs.evaluate(student, corruptions=[str(tmp_path)])
    assert set(found) == {"accuracy", "translate", "same", "mean"}
    assert found["same"] == found["accuracy"] > found["translate"]
    only = verbs.evaluate(student, corruptions=[str(tmp_path), "same"])
    assert set(only) == {"accuracy", "same", "mean"}
    with pytest.raises(UserError, match="Did you mean 'translate'"):
        verbs.evaluate(student, corruptions=[str(tmp_path), "translat"])
    np.save(tmp_path / "same" / "test_images.npy", x[:, :7])
    with pytest.raises(UserError, match=r"of shape .*7, 8, 1.* but the student's images are uint8"):
        verbs.evaluate(student, corruptions=[str(tmp_path)])
    (tmp_path / "same" / "test_images.npy").write_bytes(b"torn")
    with pytest.raises(UserError, match="Cannot read"):
        verbs.evaluate(student, corruptions=[str(tmp_path)])


def test_a_folder_as_cifar_c_is_published(student, tmp_path, clean):
    x, y = clean
    worse = [x if severity < 3 else np.zeros_like(x) for severity in range(1, 6)]
    np.save(tmp_path / "fog.npy", np.concatenate(worse))
    np.save(tmp_path / "labels.npy", np.tile(y, 5))
    found = verbs.evaluate(student, corruptions=[str(tmp_path)], severity=[2, 3])
    assert set(found) == {"accuracy", "fog/2", "fog/3", "mean"}
    assert found["fog/2"] == found["accuracy"]
    assert found["fog/3"] < 0.2
    np.save(tmp_path / "labels.npy", np.tile(y, 5)[:-1])
    with pytest.raises(UserError, match="labels for the"):
        verbs.evaluate(student, corruptions=[str(tmp_path)])
    np.save(tmp_path / "labels.npy", np.tile(y, 5) + 9)
    with pytest.raises(UserError, match="not within the 10 classes"):
        verbs.evaluate(student, corruptions=[str(tmp_path)])
    np.save(tmp_path / "fog.npy", np.concatenate(worse)[:-1])
    with pytest.raises(UserError, match="not five severities"):
        verbs.evaluate(student, corruptions=[str(tmp_path)])


def test_the_table_on_the_command_line():
    lines = grid({"accuracy": 0.9, "shear/1": 0.8, "shear/5": 0.2, "stripe": 0.1, "mean": 0.3})
    assert lines[0].split() == ["accuracy,", "%", "1", "5", "mean"]
    assert lines[1].split() == ["clean", "90.00"]
    assert lines[2].split() == ["shear", "80.00", "20.00", "50.00"]
    assert lines[3].split() == ["stripe", "10.00"]
