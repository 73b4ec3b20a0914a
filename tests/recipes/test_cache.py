"""With a cache or without, filled or not, killed or not: the same student; and never another run's answers."""

import json
import os
import signal
import time

import pytest
import torch
from runs import assert_same, child, configured, ended, resumed
from torch.utils.data import TensorDataset

from sparring.errors import UserError
from sparring.launch.jobs import grid, run_all
from sparring.recipes.build import Given
from sparring.recipes.cached import fingerprint
from sparring.recipes.check import inspect
from sparring.recipes.run import run
from sparring.userfile import named

EPOCHS = 5


@pytest.fixture
def kd(teacher):
    """A configuration with a teacher and a random augmentation."""
    return lambda **changes: configured(
        **{"teacher": str(teacher), "method": "kd", "augment": "crop", "epochs": EPOCHS, "views": 3, **changes}
    )


def asked(out):
    """For which part of its batches a run asked its teacher."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["gauges"]["teacher asked"] for line in lines if line["kind"] == "train"][-1]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("student", ["mlp-16", "orbit-mlp"])
def test_the_same_student_with_and_without(kd, student, seed, tmp_path):
    cache = str(tmp_path / "cache")
    run(kd(student=student, seed=seed), tmp_path / "plain")
    run(kd(student=student, cache=cache), tmp_path / "fill")
    for again in ("read", "once more"):
        run(kd(student=student, seed=seed, cache=cache), tmp_path / again)
        assert_same(tmp_path / again, tmp_path / "plain")
    assert asked(tmp_path / "fill") > 0.6
    assert asked(tmp_path / "once more") == 0


def test_another_seed_asks_nothing_and_a_longer_run_what_is_new(kd, tmp_path):
    cache = str(tmp_path / "cache")
    run(kd(views=None, cache=cache), tmp_path / "first")
    run(kd(views=None, cache=cache, seed=7), tmp_path / "other")
    assert asked(tmp_path / "other") == 0
    run(kd(views=None, cache=cache, epochs=2 * EPOCHS), tmp_path / "longer")
    assert asked(tmp_path / "longer") == pytest.approx(0.5)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_convolutions_too(kd, precision, convolutional, tmp_path):
    told = {"teacher": convolutional, "epochs": 2, "views": 1, "any_teacher": True, "precision": precision}
    run(kd(**told, seed=1), tmp_path / "plain")
    for seed, name in ((0, "fill"), (1, "read")):
        run(kd(**told, seed=seed, cache=str(tmp_path / "cache")), tmp_path / name)
    assert_same(tmp_path / "read", tmp_path / "plain")


def test_a_climb_in_another_precision_asks_as_the_objective_does(kd, convolutional, tmp_path):
    told = {"teacher": convolutional, "epochs": 2, "views": 1, "any_teacher": True, "precision": "float32"}
    told |= {"method": "rslad", "perturb.eps": 0.1, "perturb.precision": "bf16"}
    run(kd(**told, seed=1), tmp_path / "plain")
    for seed, name in ((0, "fill"), (1, "read")):
        run(kd(**told, seed=seed, cache=str(tmp_path / "cache")), tmp_path / name)
    assert_same(tmp_path / "read", tmp_path / "plain")


FEATURES = {
    "disk": {"objective.first": 1, "objective.inner": 1},
    "fitnets": {},
    "attention": {},
    "simkd": {},
}


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    """The folder of a ResNet that has seen the digits once."""
    out = tmp_path_factory.mktemp("teacher") / "resnet8"
    run(configured(student="resnet8", epochs=1, augment="none"), out)
    return str(out)


@pytest.mark.parametrize("method", FEATURES)
def test_features_come_with_the_answers(kd, method, convolutional, tmp_path):
    config = kd(
        teacher=convolutional, student="resnet8", method=method, epochs=2, any_teacher=True, val=0.5, **FEATURES[method]
    )
    run(config, tmp_path / "plain")
    for name in ("fill", "read"):
        run(config.model_copy(update={"cache": str(tmp_path / "cache")}), tmp_path / name)
        assert_same(tmp_path / name, tmp_path / "plain")
    assert asked(tmp_path / "read") == 0
    plain = config.model_copy(update={"cache": str(tmp_path / "cache"), "method": "kd", "objective": {}})
    with pytest.raises(UserError, match=r"\(what is kept \(cache_keep, features\): full float32 \(10,\) .* → full "):
        run(plain, tmp_path / "kd")


def test_ensembles_are_known_by_how_they_answer_together(kd, teacher, tmp_path):
    told = {"cache": str(tmp_path / "cache"), "epochs": 1}
    run(kd(teacher=f"ensemble:{teacher}+{teacher}", **told), tmp_path / "first")
    with pytest.raises(UserError, match=r"\(the teacher, its layers or weights: "):
        run(kd(teacher=f"ensemble-probabilities:{teacher}+{teacher}", **told), tmp_path / "second")


def test_killed_while_it_fills(kd, tmp_path):
    config, out, log = kd(epochs=8, views=8, cache=str(tmp_path / "cache")), tmp_path / "run", tmp_path / "log"
    kills = 0
    for patience in (0.1, 0.2, 0.15, 0.3, 0.25):
        number = child(lambda: resumed(config, out), log)
        until = time.time() + 20
        while time.time() < until and not list((tmp_path / "cache").glob("view-*")):
            time.sleep(0.005)
        time.sleep(patience)
        os.kill(number, signal.SIGKILL)
        kills += (code := ended(number)) == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL), log.read_text()
    assert kills >= 2
    run(config, out, resume=True)
    run(config.model_copy(update={"cache": None}), tmp_path / "plain")
    run(config, tmp_path / "read")
    assert (out / "student.safetensors").read_bytes() == (tmp_path / "plain" / "student.safetensors").read_bytes()
    assert_same(tmp_path / "read", tmp_path / "plain")
    assert asked(tmp_path / "read") == 0


def test_two_at_once(kd, tmp_path):
    configs = [kd(seed=seed, cache=str(tmp_path / "cache")) for seed in (0, 1)]
    numbers = [
        child(lambda c=config, n=n: run(c, tmp_path / f"both-{n}"), tmp_path / f"log-{n}")
        for n, config in enumerate(configs)
    ]
    assert [ended(number) for number in numbers] == [0, 0], (tmp_path / "log-0").read_text()
    for n, config in enumerate(configs):
        run(config.model_copy(update={"cache": None}), tmp_path / f"plain-{n}")
        assert_same(tmp_path / f"both-{n}", tmp_path / f"plain-{n}")


def test_a_damaged_cache_is_asked_again_and_told(kd, tmp_path, capsys):
    config = kd(cache=str(tmp_path / "cache"))
    run(config, tmp_path / "first")
    file = tmp_path / "cache" / "view-0000.bin"
    content = bytearray(file.read_bytes())
    content[1000:1200] = bytes(200)
    content[2000] ^= 1
    file.write_bytes(content)
    run(config, tmp_path / "again")
    assert (tmp_path / "again" / "student.safetensors").read_bytes() == (
        tmp_path / "first" / "student.safetensors"
    ).read_bytes()
    assert "were damaged, and asked for again" in capsys.readouterr().err


def test_it_may_be_left_out_or_added_when_resumed(kd, tmp_path):
    out = tmp_path / "run"
    run(kd(), out)
    (out / "result.json").unlink()
    assert run(kd(cache=str(tmp_path / "cache")), out, resume=True).metrics["epochs"] == EPOCHS
    (out / "result.json").unlink()
    with pytest.raises(UserError, match=r"other arguments .cache_keep: full → half.; give the same"):
        run(kd(cache=str(tmp_path / "other"), cache_keep="half"), out, resume=True)


@pytest.mark.parametrize("keep", ["half", 3])
def test_less_is_kept_by_choice(kd, keep, tmp_path):
    config = kd(cache=str(tmp_path / "cache"), cache_keep=keep)
    run(config, tmp_path / "fill")
    run(config, tmp_path / "read")
    assert_same(tmp_path / "read", tmp_path / "fill")
    assert asked(tmp_path / "read") == 0
    size = (tmp_path / "cache" / "view-0000.bin").stat().st_size / 1295
    assert size == 4 + (20 if keep == "half" else 3 * 4 + 2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"augment": "shift2"}, r"\(the augmentation: crop → shift2\); give another folder with --cache \(auto"),
        ({"val": 0.2}, r"which images train: "),
        ({"teacher_normalise": "half"}, r"\(the teacher's preprocessing: "),
        ({"precision": "bf16"}, r"the teacher's precision: float32 → bf16"),
        ({"cache_keep": "half"}, r"what is kept \(cache_keep, features\): full float32 \(10,\) → half float16"),
    ],
)
def test_another_key_is_told(kd, changes, told, tmp_path):
    cache = str(tmp_path / "cache")
    run(kd(cache=cache, epochs=1), tmp_path / "first")
    with pytest.raises(UserError, match=r"holds answers for other runs than this one.*" + told):
        run(kd(cache=cache, epochs=1, **changes), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_another_teacher_and_other_images(kd, tmp_path):
    def images(seed):
        generator = torch.Generator().manual_seed(seed)
        return TensorDataset(torch.rand(200, 1, 8, 8, generator=generator), torch.arange(200) % 10)

    cache, told = str(tmp_path / "cache"), {"any_teacher": True, "batch_size": 16, "epochs": 1}
    run(kd(cache=cache, **told), tmp_path / "first", given=Given(data=images(0)))
    with pytest.raises(UserError, match=r"\(the images: "):
        run(kd(cache=cache, **told), tmp_path / "second", given=Given(data=images(1)))
    run(configured(student="mlp-32", epochs=1, seed=3), tmp_path / "teacher")
    with pytest.raises(UserError, match=r"\(the teacher, its layers or weights: mlp-32 .* → mlp-32 "):
        run(kd(cache=cache, teacher=str(tmp_path / "teacher"), **told), tmp_path / "s", given=Given(data=images(0)))


class Told(torch.nn.Module):
    """Says of itself what it is told to."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def extra_repr(self):
        return self.words


def test_a_network_is_known_by_its_layers_and_not_by_where_they_lie():
    here, there, other = (fingerprint(Told(f"f=<function {name}>")) for name in ("g at 0x7f01", "g at 0x7f02", "h"))
    assert here == there != other
    assert fingerprint(torch.nn.MaxPool2d(3, 2)) != fingerprint(torch.nn.MaxPool2d(3, 1))


def test_a_network_of_the_same_weights_that_answers_otherwise(kd, tmp_path):
    cache = str(tmp_path / "cache")
    run(kd(cache=cache, epochs=1), tmp_path / "first")
    key = json.loads((tmp_path / "cache" / "key.json").read_text())
    key["answers to noise"][0][0] += 5
    (tmp_path / "cache" / "key.json").write_text(json.dumps(key))
    with pytest.raises(UserError, match=r"are not those that the teacher gives now .*was a file of the network"):
        run(kd(cache=cache, epochs=1), tmp_path / "second")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"method": "da"},
            r"needs inputs as they come, since answers are kept \(--cache\).*; leave cache out, or give",
        ),
        ({"perturb": "mixup"}, r"needs inputs as they come"),
        ({"method": "ce"}, r"--cache keeps a teacher's answers, and ce asks no teacher: leave it out$"),
        ({"method": "ce", "views": None}, r"leave it out \(views=5 shows the images that a run with it sees\)"),
        ({"cache_keep": 10}, r"cache_keep=10 of 10 classes"),
        (
            {"method": "disk", "objective": {"k": 5}, "cache_keep": 4},
            r"cache_keep=4 forgets .* disk needs the teacher's 5 likeliest",
        ),
        (
            {"method": "disk-release", "objective": {"k": 5, "guide": "mlp"}, "cache_keep": 6},
            r"disk-release needs the teacher's every logit: give --cache-keep half, or full",
        ),
        ({"cache_keep": "half", "cache": None}, r"cache_keep=half says how .* none was given: add --cache FOLDER"),
    ],
)
def test_what_makes_no_sense_is_refused(kd, changes, told, tmp_path):
    with pytest.raises(UserError, match=told):
        run(kd(**{"cache": str(tmp_path / "cache"), **changes}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_targets_that_are_no_teacher(kd, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom sparring.core import Output\n\n\n"
        "def zeros(setting):\n    return lambda x, batch: Output(torch.zeros(len(x), setting.classes))\n"
    )
    with pytest.raises(
        UserError, match=r"--cache keeps the answers of a teacher that only answers, and targets=.*zeros"
    ):
        run(kd(cache=str(tmp_path / "cache"), targets=f"{tmp_path}/mine.py:zeros"), tmp_path / "run")


def test_places_that_are_no_cache(kd, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"cannot write into .*thesis.tex/sub: Not a directory; give another --cache"):
        run(kd(cache=str(tmp_path / "mine" / "thesis.tex" / "sub")), tmp_path / "run")
    for place in ("mine", "mine/thesis.tex"):
        with pytest.raises(UserError, match=r"is no cache of a teacher's answers; give --cache a folder of its own"):
            run(kd(cache=str(tmp_path / place)), tmp_path / "run")
    (tmp_path / "mine" / "key.json").write_text("{")
    with pytest.raises(UserError, match=r"key\.json cannot be read .*remove the folder, or give another one"):
        run(kd(cache=str(tmp_path / "mine")), tmp_path / "run")
    monkeypatch.setattr("shutil.disk_usage", lambda place: os.statvfs_result((0,) * 10) and _Usage())
    with pytest.raises(UserError, match=r"the teacher's answers to 3 views would take 0 MiB more .* fewer --views"):
        run(kd(cache=str(tmp_path / "new")), tmp_path / "run")


class _Usage:
    free = 1000


def test_a_check_before_changes_nothing(kd, tmp_path):
    config = kd(cache=str(tmp_path / "cache"))
    inspect(config, Given())
    run(config, tmp_path / "run")
    run(kd(), tmp_path / "plain")
    assert_same(tmp_path / "run", tmp_path / "plain")


def test_a_baseline_beside_it_sees_the_same_images(kd, tmp_path):
    config = kd(views=None, cache=str(tmp_path / "cache"), cache_keep="half", epochs=2)
    run_all(grid(config, tmp_path / "grid", methods=["kd", "ce"], seeds=1), Given(), resume=False)
    told = json.loads((tmp_path / "grid" / "ce" / "seed-0" / "result.json").read_text())
    assert told["teacher"] is None
    run(kd(views=2, epochs=2, method="ce"), tmp_path / "plain")
    assert (tmp_path / "plain" / "student.safetensors").read_bytes() == (
        tmp_path / "grid" / "ce" / "seed-0" / "student.safetensors"
    ).read_bytes()


def test_auto_finds_a_place_for_each(kd, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "home"))
    for n, augment in enumerate(("crop", "shift2", "crop")):
        run(kd(cache="auto", augment=augment, epochs=1), tmp_path / str(n))
    assert len(list((tmp_path / "home" / "answers").iterdir())) == 2
    assert asked(tmp_path / "2") == 0


def test_a_network_whose_file_was_changed_is_another_one(tmp_path):
    file, seen = tmp_path / "mine.py", []
    for factor in (3, 3, 4):
        file.write_text(
            "import torch\n\n\nclass Scaled(torch.nn.Linear):\n    def forward(self, x):\n"
            f"        return {factor} * super().forward(x)\n"
        )
        torch.manual_seed(0)
        seen.append(fingerprint(named(file, "Scaled")(2, 2)))
    assert seen[0] == seen[1] != seen[2]
