"""`check` where a method's turns are long."""

from runs import configured

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
