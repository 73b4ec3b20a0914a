"""`train-augmentor`: what a run leaves, that one that is killed ends as one that was not, and what it refuses."""

import json
import os
import random
import re
import signal
import sys
import time
from dataclasses import replace

import pytest
import torch
from runs import child, ended, epochs

from sparring import cli, nets
from sparring.core import UserError
from sparring.nets import autoencoders, vdvae
from sparring.recipes import config as schema
from sparring.recipes.autoencoder import DEFAULTS, Exam, prepare, train_augmentor
from sparring.recipes.build import Given
from sparring.recipes.folder import refuse_other_run
from sparring.recipes.manifest import manifest, weights_hash
from sparring.recipes.paths import anchored

TIMES = ("seconds", "images_per_second", "peak_memory_bytes")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A size for the digits' 8×8 pixels."""
    plan = vdvae.Plan("8d2,4d4,1x1", "1x1,4m1,8m4", width=8, zdim=3, bottleneck=0.5)
    monkeypatch.setitem(vdvae.SIZES, "tiny", plan)


def configured(**changes):
    start = {"student": "tiny", "epochs": 1, "threads": 1, "device": "cpu", "precision": "float32"}
    return schema.merged(DEFAULTS, start | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(a configuration of two epochs, the folder where it ran in one go)."""
    plan = vdvae.Plan("8d2,4d4,1x1", "1x1,4m1,8m4", width=8, zdim=3, bottleneck=0.5)
    vdvae.SIZES["tiny"] = plan
    out = tmp_path_factory.mktemp("whole") / "run"
    train_augmentor(configured(epochs=2), out)
    del vdvae.SIZES["tiny"]
    return configured(epochs=2), out


def test_what_a_run_leaves(whole):
    config, out = whole
    left = {"config.yaml", "manifest.json", "metrics.jsonl", "result.json", "augmentor.safetensors"}
    assert left | {"reconstructions.png"} <= {file.name for file in out.iterdir()}
    assert (out / "reconstructions.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((out / "result.json").read_text())
    first, last = epochs(out)
    assert result["validation"] == last["validation"]
    assert last["validation"]["bits_per_dim"] < first["validation"]["bits_per_dim"] < 9
    for part in ("validation", "test"):
        scores = result[part]
        assert scores["elbo"] == pytest.approx(-scores["bits_per_dim"] * 64 * 0.6931472)
        assert 0 < scores["kl"] < -scores["elbo"]
        assert 0 < scores["mse"] < 0.25
    assert result["seconds"] > 0
    vae = autoencoders.load(out, (1, 8, 8))
    assert result["parameters"] == sum(parameter.numel() for parameter in vae.parameters())
    assert schema.read(out / "config.yaml").method == "autoencoder"
    assert train_augmentor(config, out, resume=True).metrics == result
    assert not list(out.glob("checkpoints/step-*"))
    with pytest.raises(UserError, match="holds an autoencoder and no classifier"):
        nets.load(str(out))


def test_killed_and_resumed_it_ends_the_same(whole, tmp_path):
    config, reference = whole
    out, chance, kills = tmp_path / "run", random.Random(0), 0
    for _ in range(20):
        number = child(lambda: train_augmentor(config, out, resume=True, checkpoint_seconds=0.0), tmp_path / "log")
        if kills < 2:
            until = time.time() + 20
            while time.time() < until and not list(out.glob("checkpoints/step-*")):
                time.sleep(0.005)
            time.sleep(chance.uniform(0.01, 0.1))
            os.kill(number, signal.SIGKILL)
        code = ended(number)
        kills += code == -signal.SIGKILL
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert kills == 2
    for name in ("augmentor.safetensors", "reconstructions.png"):
        assert (out / name).read_bytes() == (reference / name).read_bytes(), name
    assert epochs(out) == epochs(reference)
    ours, theirs = (json.loads((folder / "result.json").read_text()) for folder in (out, reference))
    assert {k: v for k, v in ours.items() if k not in TIMES} == {k: v for k, v in theirs.items() if k not in TIMES}


WRONG = [
    ({"student": ""}, "no autoencoder was given: pass --net"),
    ({"student": "vdvae-minst", "size": 28}, "Did you mean 'vdvae-mnist'"),
    ({"student": "vdvae-small"}, "square images of 32×32 pixels.* these are 8×8 with 1 channels: take tiny"),
    ({"teacher": "resnet18"}, "teacher was given, and an autoencoder is trained without it"),
    ({"perturb": "da"}, "perturb was given"),
    ({"method": "da"}, "takes no --method, and da was given"),
    ({"data": "digit"}, "Did you mean 'digits'"),
    ({"batch_size": 5000}, "batch of 5000"),
]


@pytest.mark.parametrize(("changes", "told"), WRONG, ids=[told for _, told in WRONG])
def test_refusals_leave_no_folder(changes, told, tmp_path):
    with pytest.raises(UserError, match=told):
        train_augmentor(configured(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused(whole, tmp_path):
    config, out = whole
    with pytest.raises(UserError, match="holds a run already"):
        train_augmentor(config, out)
    with pytest.raises(UserError, match=r"other arguments \(optim.lr"):
        train_augmentor(schema.merged(config, {"optim.lr": 0.5}), out, resume=True)
    (tmp_path / "else").write_text("")
    with pytest.raises(UserError, match="is a file"):
        train_augmentor(config, tmp_path / "else")


def test_from_the_command_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["sparring", "train-augmentor", "--net", "tiny", "--epochs", "1", "--threads", "1", "optim.lr=0.01"]
    monkeypatch.setattr(sys, "argv", words)
    cli.main()
    told, progress = capsys.readouterr()
    assert re.search(r"epoch 1/1, validation \d\.\d+ bits per dim, vae\.rate", progress)
    assert "bits per pixel and channel" in told
    assert told.strip().splitlines()[-1].startswith("Next: ")
    written = schema.read("runs/digits-tiny/config.yaml")
    assert (written.optim.lr, written.optim.name, written.augment) == (0.01, "adamw", "none")
    monkeypatch.setattr(sys, "argv", ["sparring", "train-augmentor", "--epochs", "1"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "pass --net" in capsys.readouterr().err


def test_an_exam_has_its_own_chance():
    making = prepare(configured(), Given())
    exam = Exam(making, making.data.validation)
    torch.manual_seed(1)
    first, after = exam(), torch.rand(1)
    torch.manual_seed(2)
    assert exam() == first
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)


def test_a_configuration_finds_its_autoencoder_from_anywhere(whole, tmp_path, monkeypatch):
    _, out = whole
    monkeypatch.chdir(out.parent)
    for spec, path in ((out.name, out), (f"diffusers:{out.name}", f"diffusers:{out}")):
        config = schema.make({"perturb": {"name": "hard", "vae": spec}})
        assert anchored(config).perturb == {"name": "hard", "vae": str(path)}
    config = schema.make({"perturb": {"name": "hard", "vae": "diffusers:some/name"}})
    assert anchored(config).perturb["vae"] == "diffusers:some/name"


def test_an_augmentor_in_a_file_of_ones_own_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    config = schema.make({"perturb": {"name": "hard", "augmentor": "mine.py:Blur"}})
    assert anchored(config).perturb["augmentor"] == f"{tmp_path}/mine.py:Blur"
    assert anchored(schema.make({"perturb": {"augmentor": "affine"}})).perturb["augmentor"] == "affine"


def test_the_manifest_tells_the_weights_of_the_autoencoder(whole):
    _, out = whole
    making = prepare(configured(), Given())
    assert manifest(making)["vae"] is None
    alone, chain = {"name": "hard", "vae": str(out)}, {"name": "mixes+hard", "mixes": {}, "hard": {"vae": str(out)}}
    for perturb in (alone, chain):
        origin = manifest(replace(making, config=making.config.model_copy(update={"perturb": perturb})))
        assert origin["vae"] == {"spec": str(out), "sha256": weights_hash(autoencoders.load(out))}
    with pytest.raises(UserError, match="the weights of the autoencoder"):
        refuse_other_run(out, schema.read(out / "config.yaml"), origin)
