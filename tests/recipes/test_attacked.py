"""A finished run's student under attack: kept image by image, taken up where it was left, and told in one table."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from runs import child, configured, ended
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sparring import report, verbs
from sparring.cli_evaluate import withstood
from sparring.errors import UserError
from sparring.parts.attack import Ball
from sparring.recipes import attacked, climbed, threat
from sparring.recipes.robust import ensemble
from sparring.recipes.run import run
from sparring.report.attacked import attacked as drawn

pytest.importorskip("pyautoattack", reason="the extra `attack` is not installed")
KEY = "standard-linf-0.1-test-20"
NPZ = f"autoattack-{KEY}.npz"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("attacked") / "digits"
    run(configured(epochs=3, augment="none"), out)
    return out


@pytest.fixture
def student(trained, tmp_path, monkeypatch):
    """A copy of the run, whose attacks are short and go by eight images."""
    real = attacked.Trial
    monkeypatch.setattr(attacked, "Trial", lambda *given: real(*given, batch_size=8, steps=8, queries=20))
    return shutil.copytree(trained, tmp_path / "run")


def attack(student, **options):
    return verbs.evaluate(student, **{"attack": "standard", "eps": 0.1, "images": 20} | options)


def entry(student, key=KEY):
    return json.loads((student / "autoattack.json").read_text())[key]


def test_pgd_too_needs_gradients_and_a_ball(student, monkeypatch, capsys):
    attack(student, attack="fgsm", eps=0)
    assert "--eps 0 lets nothing move" in capsys.readouterr().err
    real = climbed.reopened

    def rounded(*given):
        config, data, net, teacher = real(*given)
        net.register_forward_pre_hook(lambda _, args: (args[0].mul(16).round().div(16), *args[1:]))
        return config, data, net, teacher

    monkeypatch.setattr(climbed, "reopened", rounded)
    told = "the gradient is exactly zero at 20 of 20 images, where attacks that climb see nothing"
    for kind in ("pgd", "fgsm"):
        attack(student, attack=kind)
        assert told in capsys.readouterr().err
    assert f"seed 0: {told}" in report.markdown([student])

    def cut(*given):
        config, data, net, teacher = real(*given)
        net.register_forward_pre_hook(lambda _, args: (args[0].detach(), *args[1:]))
        return config, data, net, teacher

    monkeypatch.setattr(climbed, "reopened", cut)
    with pytest.raises(UserError, match=r"no gradient of the answers reaches the pixels"):
        attack(student, attack="pgd")


@pytest.mark.parametrize("text", ['{"standard-linf', '{"some": null}', "[]"])
@pytest.mark.parametrize(("kind", "name"), [("rand", "autoattack"), ("pgd", "attacks")])
def test_a_damaged_file_is_not_begun_anew(student, kind, name, text):
    (student / f"{name}.json").write_text(text)
    with pytest.raises(UserError, match=rf"{name}\.json cannot be read, and measurements may be in it"):
        attack(student, attack=kind)
    assert (student / f"{name}.json").read_text() == text


def test_other_images_than_it_was_trained_on_are_told(student, capsys):
    attack(student, attack="fgsm")
    assert "are others than when" not in capsys.readouterr().err
    manifest = json.loads((student / "manifest.json").read_text())
    manifest["data"]["fingerprint"] = "0" * 64
    (student / "manifest.json").write_text(json.dumps(manifest))
    attack(student, attack="fgsm")
    assert "the images of digits are others than when" in capsys.readouterr().err


@pytest.mark.parametrize(("classes", "wanted"), [(2, "few"), (3, "few"), (4, "standard")])
def test_what_few_classes_can_be_asked(classes, wanted):
    assert ensemble(classes) == wanted


def test_radii_that_differ_by_little_are_two(student):
    attack(student, attack="rand", eps=8 / 255)
    attack(student, attack="rand", eps=0.0313725)
    assert len(json.loads((student / "autoattack.json").read_text())) == 2


def test_the_best_epoch_has_an_entry_of_its_own(student):
    last = attack(student, attack="rand")
    torch.manual_seed(0)
    worse = {name: torch.randn_like(value) for name, value in load_file(student / "student.safetensors").items()}
    best = student / "checkpoints" / "best.safetensors"
    with safe_open(best, "pt") as opened:
        save_file(worse, best, opened.metadata())
    result = json.loads((student / "result.json").read_text())
    del result["best_weights"]  # as in runs of before
    (student / "result.json").write_text(json.dumps(result))
    then = attack(student, attack="rand", best_epoch=True)
    assert then["accuracy"] < last["accuracy"]
    told = json.loads((student / "autoattack.json").read_text())
    assert {key: each.get("epoch") for key, each in told.items()} == {
        "rand-linf-0.1-test-20": None,
        "rand-linf-0.1-test-20-best": "best",
    }
    assert attack(student, attack="rand") == last
    assert attack(student, attack="fgsm", best_epoch=True)["accuracy"] == then["accuracy"]
    titles = {found.title for found in drawn(report.groups(report.runs([student]))[0])}
    assert "AutoAttack rand, ℓ∞ 0.1, 20 images, best epoch" in titles
    best.unlink()
    with pytest.raises(UserError, match="has no weights of its best epoch"):
        attack(student, attack="rand", best_epoch=True)
    with pytest.raises(UserError, match="--best-epoch is for --attack"):
        verbs.evaluate(student, best_epoch=True)


def test_what_stands_is_kept_image_by_image(student):
    found = attack(student)
    assert list(found) == ["accuracy", "apgd-ce", "apgd-t", "fab-t", "square", "autoattack"]
    assert found["autoattack"] == found["square"] <= found["apgd-ce"] < found["accuracy"]
    told = entry(student)
    assert told["finished"]
    assert told["accuracy"] == found["autoattack"]
    assert {"weights", "pyautoattack", "torch", "seed", "seconds", "farthest", "remarks"} <= set(told)
    with np.load(student / NPZ) as arrays:
        assert (arrays["broken_by"] == "").mean() == found["autoattack"]
        assert (arrays["broken_by"] != "clean").mean() == found["accuracy"]
        assert len(set(arrays["rows"])) == 20 == len(arrays["labels"])
        assert arrays["rows"][-1] - arrays["rows"][0] > 300  # spread over the part


def test_what_was_measured_is_read_and_settings_lie_side_by_side(student, monkeypatch, capsys):
    found = attack(student)
    attack(student, eps="0.05", images=8)
    assert set(json.loads((student / "autoattack.json").read_text())) == {KEY, "standard-linf-0.05-test-8"}
    monkeypatch.setattr(attacked, "cascade", None)
    assert attack(student) == found
    assert "measured before" in capsys.readouterr().err


def test_killed_anywhere_it_goes_on_to_the_same_end(student, tmp_path):
    reference = shutil.copytree(student, tmp_path / "reference")
    attack(reference)
    chunks = 0

    def killed():
        """Die once three more chunks are kept."""
        kept, left = attacked.keep, [3]

        def keep(*given):
            kept(*given)
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        attacked.keep = keep
        attack(student)

    while (code := ended(child(killed, tmp_path / "log"))) == -signal.SIGKILL:
        chunks += 1
        assert not entry(student).get("finished")
    assert code == 0
    assert chunks > 1
    assert (student / NPZ).read_bytes() == (reference / NPZ).read_bytes()
    ours, theirs = entry(student), entry(reference)
    assert set(ours["seconds"]) <= set(theirs["seconds"])  # those of a chunk may be lost with the process
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_other_weights_start_anew(student, trained, tmp_path, capsys):
    attack(student)
    before = entry(student)["weights"]
    run(configured(epochs=1, seed=1), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "student.safetensors", student / "student.safetensors")
    attack(student)
    assert "starting anew" in capsys.readouterr().err
    assert entry(student)["weights"] != before


def test_all_of_it_in_one_table(student, capsys):
    found = verbs.evaluate(student, robust=True, eps=0.1, images=20)
    assert {"accuracy", "pgd-20", "pgd-100", "noise", "autoattack", "corruptions"} <= set(found)
    assert "disagreement" not in found  # which had no teacher
    assert found["autoattack"] <= found["pgd-20"] <= found["accuracy"]
    told = json.loads((student / "robust.json").read_text())["linf-0.1-test-20"]
    assert told["curve"][0] == [0.0, found["accuracy"]]
    assert told["curve"][-1][1] <= 0.05
    assert (student / "robust-linf-0.1-test-20.png").read_bytes().startswith(b"\x89PNG")
    lines = "\n".join(withstood(found))
    assert "test: more steps" in lines
    assert "fine" in lines
    capsys.readouterr()
    assert verbs.evaluate(student, robust=True, eps=0.1, images=20) == found
    again = capsys.readouterr().err
    assert "measured before" in again
    assert "right" not in again  # no probe is asked a second time
    assert "corrupting" not in again
    text = report.markdown([student])
    assert "AutoAttack standard, ℓ∞ 0.1, 20 images" in text
    assert "PGD-20, %" in text


def test_with_a_teacher_there_is_a_curve_and_a_transfer(student, trained, tmp_path):
    taught = tmp_path / "taught"
    run(configured(teacher=str(trained), method="kd", epochs=1), taught)
    found = verbs.evaluate(taught, robust=True, eps=0.1, images=20)
    assert {"disagreement", "transfer", "masking/transfer from the teacher"} <= set(found)


def test_all_of_it_is_about_the_same_images(student, trained, tmp_path, capsys):
    """Whatever was measured before of others, by severities of one's own."""
    taught = tmp_path / "taught"
    run(configured(teacher=str(trained), method="kd", epochs=1), taught)
    verbs.evaluate(taught, corruptions=(), severity=[5])
    verbs.evaluate(taught, curve=True)
    found = verbs.evaluate(taught, robust=True, eps=0.1, images=20, part="validation")
    told = json.loads((taught / "robust.json").read_text())["linf-0.1-validation-20"]
    assert told["disagreement"][0]["n"] == 20
    assert told["disagreement"][0]["student_accuracy"] == found["accuracy"]
    corrupted = {name: value for name, value in told["corruptions"].items() if name != "mean"}
    assert all(round(60 * value) == pytest.approx(60 * value) for value in corrupted.values())  # of 20, three times
    assert found["corruptions"] == pytest.approx(np.mean(list(corrupted.values())))
    capsys.readouterr()
    assert verbs.evaluate(taught, robust=True, eps=0.1, images=20, part="validation") == found
    assert "corrupting" not in capsys.readouterr().err


def test_mistakes_are_told_in_a_sentence(student):
    for options, message in (
        ({"eps": None}, r"no one radius for grey images \(.*\): give --eps"),
        ({"eps": None, "norm": "l2"}, "no one radius for l2"),
        ({"eps": "8/0"}, "--eps 8/0 is no distance"),
        ({"eps": "wide"}, "--eps wide is no distance"),
        ({"eps": -0.1}, "--eps is -0.1: give 0 or more"),
        ({"images": 0}, "--images 0: give 1 or more"),
        ({"norm": "l1"}, "norm l1 does not exist: choose linf or l2"),
        ({"attack": "standart"}, "Did you mean 'standard'"),
        ({"robust": True}, "--attack and --robust are different measurements"),
        ({"curve": True}, "--curve and --attack are different measurements"),
        ({"attack": None}, "--eps is for --attack and --robust"),
        ({"severity": [3]}, "--severity is for --corruptions"),
    ):
        with pytest.raises(UserError, match=message):
            attack(student, **options)


def test_a_radius_is_read_as_it_is_written():
    assert threat.radius("8/255") == 8 / 255
    assert threat.radius("0.1") == 0.1
    assert threat.radius("1e-3") == 1e-3
    assert threat.within(None, "linf", 3) == Ball(8 / 255)
    assert threat.within("0.5", "l2", 3) == Ball(0.5, "l2")


def test_attacks_as_one_asks_for_them(student):
    found = verbs.evaluate(student, attack="pgd", eps=0.1, images=40, climb={"size": "1/40", "keep": "best"})
    weaker = verbs.evaluate(student, attack="fgsm", eps=0.1, images=40)
    assert max(found["pgd"], weaker["fgsm"]) < found["accuracy"] == weaker["accuracy"]
    assert found["pgd"] <= weaker["fgsm"] + 1 / 40
    kept = json.loads((student / "attacks.json").read_text())
    assert {each["attack"] for each in kept.values()} == {"pgd", "fgsm"}
    verbs.evaluate(student, attack="pgd", eps=0.1, images=40, climb={"size": 0.025, "keep": "best", "steps": 20})
    assert set(json.loads((student / "attacks.json").read_text())) == set(kept)  # the same attack, said in other words
    assert verbs.evaluate(student, attack="pgd", eps=0, images=40)["pgd"] == found["accuracy"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attack": "fgsm", "climb": {"steps": 3}}, "--steps is no option of --attack fgsm: leave it out"),
        ({"attack": "pgd", "climb": {"steps": -3}}, "--steps -3 is no attack: give 1 or more"),
        ({"attack": "pgd", "climb": {"size": "a"}}, "--size a is no distance"),
        ({"attack": "pgd", "climb": {"size": 2}}, "--size is 2, and pixels lie in .* did you mean 2/255"),
        ({"attack": "pgd", "climb": {"loss": "kl"}}, "goes away from a teacher's answer"),
        ({"attack": "standard", "climb": {"steps": 3}}, "--steps is for --attack pgd"),
        ({"climb": {"loss": "ce"}}, "--loss is for --attack pgd"),
    ],
)
def test_attacks_that_make_no_sense(student, options, told):
    with pytest.raises(UserError, match=told):
        verbs.evaluate(student, **{"eps": 0.1, **options} if "attack" in options else options)
