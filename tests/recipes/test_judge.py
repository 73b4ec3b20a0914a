"""A student whose training attacks it is judged under attack: each epoch on validation images, at the end on test."""

import pytest
from runs import configured, epochs
from torch import nn

from sparring import verbs
from sparring.recipes.run import run

WEAK = {"method": "at", "student": "mlp-16", "augment": "none", "epochs": 4, "optim.lr": 0.3}
LIMIT = {"perturb.eps": 0.1, "perturb.size": 0.025}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    out = tmp_path_factory.mktemp("judged") / "run"
    return run(configured(**WEAK, **LIMIT), out)


def test_the_best_epoch_is_the_one_that_withstands_most(attacked):
    scores = [line["validation"] for line in epochs(attacked.out)]
    left = [each["pgd-10"] for each in scores]
    assert attacked.metrics["best_epoch"] == 1 + left.index(max(left))
    assert all(each["pgd-10"] < each["accuracy"] for each in scores)


def test_what_it_says_of_the_test_images_is_what_evaluate_says(attacked):
    found = verbs.evaluate(attacked.out, attack="pgd", eps=0.1, images=1000, climb={"steps": 10})
    assert found["pgd"] == attacked.metrics["test"]["pgd-10"] < attacked.metrics["test"]["accuracy"]


@pytest.mark.parametrize(("perturb", "judged"), [("noise+pgd", True), ("noise", False)])
def test_it_goes_by_the_perturbation(perturb, judged, tmp_path):
    told = {"perturb.pgd.eps": 0.1} if judged else {}
    done = run(configured(method="ce", student="mlp-16", epochs=1, perturb=perturb, **told), tmp_path / "run")
    assert [("pgd-10" in done.metrics[part]) for part in ("validation", "test")] == [judged, judged]


def test_a_teacher_that_falls_to_the_attack_is_told(attacked, teacher, tmp_path, capsys):
    told = {"method": "rslad", "epochs": 1, **LIMIT, "perturb.eps": 0.5}
    run(configured(**told, teacher=str(teacher)), tmp_path / "frail")
    assert "under PGD-10 within the ball that the student is attacked in: was it trained" in capsys.readouterr().err
    run(configured(**{**told, "perturb.eps": 0.01}, teacher=str(attacked.out)), tmp_path / "robust")
    assert "was it trained" not in capsys.readouterr().err


class Scaled(nn.Sequential):
    """A student that answers 100,000 times too loudly: where it is right, its cross-entropy has no gradient."""

    def forward(self, x):
        return 1e5 * super().forward(x)


class Rounded(nn.Sequential):
    def forward(self, x):
        return super().forward((8 * x).round() / 8)


class Tossing(nn.Sequential):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), training=True)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Rounded, "the gradient is exactly zero at 250 of 250 images, where attacks that climb see nothing, so PGD-10"),
        (Scaled, "where attacks that climb see nothing, so PGD-10 says little"),
        (Tossing, "answers the same images differently each time"),
        (nn.Sequential, None),
    ],
)
def test_an_attack_that_saw_little_is_told_beside_what_is_left(kind, told, tmp_path):
    student = kind(nn.Flatten(), nn.Linear(64, 10))
    options = {"perturb.eps": 0.05, "optim.lr": 0.1, "precision": "float32"}
    done = verbs.distill(student=student, data="digits", method="at", epochs=4, out=tmp_path / "x", **options)
    said = [line for line in done.metrics.get("remarks", []) if "PGD-10" in line]
    assert (told is None and not said) or told in said[0]
    assert told is None or told in done.markdown()


def test_a_student_that_only_guesses_is_told(tmp_path, capsys):
    done = run(configured(student="mlp-16", epochs=1, **{"optim.lr": 1e-9}), tmp_path / "x")
    assert "naming one class always gets" in done.metrics["remarks"][0]
    assert "it learned hardly anything" in capsys.readouterr().err
