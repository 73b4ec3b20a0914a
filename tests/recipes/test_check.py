"""`check` where a method's turns are long."""

import numpy as np
import pytest
import torch
from PIL import Image
from runs import configured

from sparring.errors import UserError
from sparring.recipes.build import Given
from sparring.recipes.check import inspect
from sparring.recipes.run import run

SMALL = {"size": 16, "val": 0.4, "batch_size": 8}


def test_a_guides_first_turn_is_not_played_to_time_a_step(tmp_path):
    run(configured(student="mlp-32", epochs=1, **SMALL), tmp_path / "teacher")
    told = {"teacher": str(tmp_path / "teacher"), "any_teacher": True, "objective": {"first": 50.0}, **SMALL}
    found = inspect(configured(method="disk", student="mlp-16", **told), Given())
    assert any("batches on which others than the student move" in line for line in found.lines())


def test_a_teacher_that_may_have_seen_the_images_is_told(teacher):
    for spec, val, words in (
        (str(teacher), 0.1, "right on held-out images ("),
        (f"mlp-32@{teacher}/student.safetensors", 0.1, "right on held-out images ("),
        (str(teacher), 0.2, "right on held-out images, unless it was trained on them ("),
        (f"ensemble:{teacher}+{teacher}", 0.1, "right on held-out images ("),
        (str(teacher), 0.0, "right on training images ("),
    ):
        found = inspect(configured(method="kd", teacher=spec, val=val), Given())
        assert words in "\n".join(found.lines())
    stranger = inspect(configured(method="kd", teacher=str(teacher)), Given(teacher=found.prepared.teacher))
    assert "unless it was trained on them" in "\n".join(stranger.lines())


def test_a_teacher_that_nobody_asks_is_told(teacher):
    found = inspect(configured(method="at", teacher=str(teacher), **{"perturb.eps": 0.1}), Given())
    assert f"teacher     at asks none: {teacher} is left out" in found.lines()


class Rows(torch.nn.Module):
    """Names the quarter of an image, by its rows, that is the brightest."""

    def forward(self, x):
        return x.reshape(len(x), 4, 16).mean(2)


def test_a_teacher_that_knows_the_classes_in_another_order(tmp_path):
    """A folder sorts its classes by name; the sentence about a teacher near chance names that order, and a way out."""
    draws, names = np.random.RandomState(0), ("zero", "one", "two", "three")
    for label, name in enumerate(names):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(30):
            picture = draws.randint(0, 99, (8, 8), dtype=np.uint8)
            picture[2 * label : 2 * label + 2] += 150
            Image.fromarray(picture).save(tmp_path / "mine" / name / f"{number}.png")
    asked = configured(method="kd", data=str(tmp_path / "mine"), batch_size=8, teacher_normalise="none")
    with pytest.raises(
        UserError, match=r"another order than that of the data \(one, three, two, zero, sorted by the n"
    ):
        inspect(asked, Given(teacher=Rows()))
    (tmp_path / "mine" / "classes.txt").write_text("\n".join(names))
    (line,) = [line for line in inspect(asked, Given(teacher=Rows())).lines() if line.startswith("teacher")]
    assert line.startswith("teacher     100.00% right")
