"""What augments a run's images: told where nobody asked for it, written down, and the same for as long as it runs."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image
from runs import configured

from sparring import report
from sparring.errors import UserError
from sparring.recipes import augmentation
from sparring.recipes.build import Given
from sparring.recipes.check import inspect
from sparring.recipes.run import run
from sparring.report.groups import groups
from sparring.report.ledger import runs
from sparring.report.view import view


def images(folder, mode="L"):
    """A folder of 30 random pictures of each of two classes; the way to it."""
    draws = np.random.RandomState(0)
    for name in ("six", "nine"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = draws.randint(0, 256, (8, 8) if mode == "L" else (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return str(folder)


def trained(data, out, **changes):
    augmentation.told.clear()
    told = {"epochs": 1, "batch_size": 16} | changes
    run(configured(data=data, **told), out, resume=True)
    return json.loads((out / "manifest.json").read_text())


def test_a_default_is_told_once_and_written_down(tmp_path, capsys):
    grey = images(tmp_path / "grey")
    assert trained(grey, tmp_path / "a")["augment"] == "crop"
    run(configured(data=grey, epochs=1, batch_size=16, seed=1), tmp_path / "b")
    assert capsys.readouterr().err.count("grey: images are augmented by crop, the default for grey images") == 1
    colour = images(tmp_path / "colour", "RGB")
    assert trained(colour, tmp_path / "c")["augment"] == "crop+flip"
    assert "--augment crop does not mirror them" in capsys.readouterr().err
    assert trained(colour, tmp_path / "d", augment="crop")["augment"] == "crop"
    assert trained("digits", tmp_path / "e")["augment"] == "none"
    assert "augment" not in capsys.readouterr().err


def test_check_names_it(tmp_path):
    asked = configured(data=images(tmp_path / "mine", "RGB"), batch_size=16)
    (line,) = [line for line in inspect(asked, Given()).lines() if line.startswith("augment ")]
    assert line.startswith("augment     crop+flip, the default for colour images of 8 pixels; --augment none leaves")
    (line,) = [line for line in inspect(configured(), Given()).lines() if line.startswith("augment ")]
    assert line == "augment     none, the default of digits; `sparring list augment` names others"


@pytest.mark.parametrize("known", [True, False])
def test_a_run_goes_on_with_what_it_began_with(known, tmp_path):
    """known: whether the manifest tells what "default" was; runs of long ago mirrored grey images too."""
    data, out = images(tmp_path / "grey"), tmp_path / "run"
    told = trained(data, out, augment="crop+flip")
    whole = (out / "student.safetensors").read_bytes()
    (out / "manifest.json").write_text(json.dumps({k: v for k, v in told.items() if known or k != "augment"}))
    as_asked = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump(as_asked | {"augment": "default"}))
    with pytest.raises(UserError, match=r"the augmentation: crop\+flip → crop, which --augment crop\+flip decides"):
        trained(data, out)
    (out / "result.json").unlink()
    (out / "student.safetensors").unlink()
    trained(data, out, augment="crop+flip")
    assert (out / "student.safetensors").read_bytes() == whole
    with pytest.raises(UserError, match=r"augment: crop\+flip → none"):
        trained(data, out, augment="none")


def test_reports_name_what_default_was(tmp_path):
    data = images(tmp_path / "grey")
    trained(data, tmp_path / "runs" / "a")
    trained(data, tmp_path / "runs" / "b", seed=1, augment="crop")
    (group,) = groups(runs(tmp_path / "runs"))
    assert [len(arm.runs) for arm in group.arms] == [2], "the default and its name are one way of training"
    assert view(0, group)["origins"].common["augmentation"] == "crop"
    assert "<dt>augmentation</dt><dd>crop</dd>" in report.page([tmp_path / "runs"], tmp_path / "page.html").read_text()
    file = tmp_path / "runs" / "a" / "manifest.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"augment": "crop+flip"}))  # as if "default" had been that then
    assert sorted(arm.label for arm in groups(runs(tmp_path / "runs"))[0].arms) == [
        "ce (augment crop)",
        "ce (augment crop+flip)",
    ]
    del told["augment"]
    file.write_text(json.dumps(told))
    assert "ce (augment crop+flip)" in {arm.label for arm in groups(runs(tmp_path / "runs"))[0].arms}
