"""Classes that a student never sees: held out of training and validation, told apart in the test; the bias trick."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from runs import configured

from sparring import data as datasets
from sparring.errors import UserError
from sparring.evaluate.bias import best_bias, biased
from sparring.files import read_json
from sparring.recipes import config as schema
from sparring.recipes.bias import debias
from sparring.recipes.build import Given, find_data
from sparring.recipes.run import run
from sparring.verbs import train


def test_only_the_test_shows_the_class() -> None:
    whole, data = (find_data(configured(omit=omit), Given()) for omit in ((), (3,)))
    assert data.omitted == (3,)
    assert data.classes == whole.classes == 10
    assert data.mean == whole.mean
    for part in ("train", "validation"):
        y = getattr(data, part).y
        assert 3 not in y
        assert len(y) == int((getattr(whole, part).y != 3).sum())
    assert torch.equal(data.test.y, whole.test.y)


@pytest.mark.parametrize("given", [3, "3", ["3"], ("3",), " 3 ", ("3,",)])
def test_ways_to_name_it(given) -> None:
    assert schema.make({"omit": given}).omit == ("3",)
    for several in ("3,5", "3, 5", ("3,5",), [3, 5], {5, 3}):
        assert schema.make({"omit": several}).omit == ("3", "5")


def test_a_class_by_its_name_before_its_number() -> None:
    named = replace(find_data(configured(), Given()), class_names=("one", "0", *"23456789"))
    assert datasets.without(named, ["0"]).omitted == (1,)
    assert datasets.without(named, ["one", "9"]).omitted == (0, 9)


def test_a_class_whose_name_has_commas() -> None:
    names = ("tench, Tinca tinca", "tench", "cock", "Tinca tinca, tench", *"456789")
    found = replace(find_data(configured(), Given()), class_names=names)
    for given in ("tench, Tinca tinca, 7", ["tench, Tinca tinca", 7], "tench,Tinca tinca,7"):
        assert datasets.without(found, schema.make({"omit": given}).omit).omitted == (0, 7)
    assert datasets.without(found, schema.make({"omit": "cock,tench"}).omit).omitted == (1, 2)
    with pytest.raises(UserError, match="omit=Tinca: digits has no such class"):
        datasets.without(found, schema.make({"omit": "tench, Tinca"}).omit)


@pytest.mark.parametrize(
    ("omit", "told"),
    [
        (("seven",), r"omit=seven: digits has no such class"),
        (("11",), r"omit=11: digits has no such class"),
        (tuple("012345678"), r"leaves 1 of 10 classes to learn from: omit fewer"),
    ],
)
def test_refused(omit, told) -> None:
    with pytest.raises(UserError, match=told):
        find_data(configured(omit=omit), Given())


def test_the_result_tells_them_apart(teacher, tmp_path) -> None:
    found = run(configured(omit=3, teacher=str(teacher), method="kd-adversarial", epochs=6), tmp_path / "kd").metrics
    alone = run(configured(omit=3, epochs=6), tmp_path / "ce").metrics
    assert alone["test_only"]["accuracy"] == 0  # nobody told it of a three
    assert found["test_only"]["accuracy"] > 0.3  # its teacher did
    y = find_data(configured(), Given()).test.y
    threes, others = int((y == 3).sum()), int((y != 3).sum())
    for each in (found, alone):
        right = each["test_only"]["accuracy"] * threes + each["test_without"]["accuracy"] * others
        assert right == pytest.approx(each["test"]["accuracy"] * len(y), abs=1e-6)
    table = train("mlp-16", "digits", out=tmp_path / "again", omit=3, epochs=1).markdown()
    assert "without the omitted, % | the omitted only, %" in table
    assert "training and validation images have none of them, test images have them" in table


def test_the_bias_makes_most_images_right() -> None:
    chance = torch.Generator().manual_seed(0)
    y = torch.randint(4, (300,), generator=chance)
    logits = torch.randn(300, 4, generator=chance) + 2 * torch.nn.functional.one_hot(y, 4)
    logits[:, 2] -= 3
    best = best_bias(logits, y, [2])

    def right(bias: float) -> int:
        return int((biased(logits, [2], bias).argmax(1) == y).sum())

    assert right(best) == max(right(b) for b in torch.linspace(-2, 8, 2001).tolist())
    assert 2 < best < 4


def test_no_bias_where_none_is_as_good() -> None:
    logits, y = torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1])
    assert best_bias(logits, y, [1]) == 0.0
    assert best_bias(torch.tensor([[2.0, 1.0]] * 3), torch.tensor([1, 0, 0]), [1]) == 0.0  # equal leads
    with pytest.raises(UserError, match=r"none of these images is of an omitted class"):
        best_bias(logits, torch.tensor([0, 0]), [1])


def test_the_trick_on_a_run(teacher, tmp_path) -> None:
    out = tmp_path / "kd"
    metrics = run(configured(omit=3, teacher=str(teacher), method="kd-adversarial", epochs=6), out).metrics
    found = debias(out)
    assert found["accuracy"] == pytest.approx(metrics["test"]["accuracy"])
    assert found["only"] == pytest.approx(metrics["test_only"]["accuracy"])
    assert found["only/biased"] >= found["only"]
    assert read_json(out / "bias.json")["bias"] == found["bias"] >= 0
    half = configured(omit=3, student="small-cnn", precision="bf16", epochs=1)
    assert run(half, tmp_path / "half").metrics["test"]["accuracy"] == debias(tmp_path / "half")["accuracy"]
    run(configured(), tmp_path / "whole")
    with pytest.raises(UserError, match=r"was trained on all classes"):
        debias(tmp_path / "whole")
