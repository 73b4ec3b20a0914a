"""What a search goes over: read from words, held to the schema, refused in sentences."""

import pytest
from runs import configured

from sparring.errors import UserError
from sparring.recipes.config import overrides
from sparring.recipes.space import Dimension, corners, plain, space

DA = configured(method="da")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("perturb.alpha=log:0.001..0.1", Dimension("perturb.alpha", (), 0.001, 0.1, log=True)),
        ("perturb.steps=1..3", Dimension("perturb.steps", (), 1, 3, whole=True)),
        ("perturb.p=0..1", Dimension("perturb.p", (), 0.0, 1.0)),
        ("optim.weight_decay=log:1e-5..1e-3", Dimension("optim.weight_decay", (), 1e-5, 1e-3, log=True)),
        ("optim.name=sgd, adam", Dimension("optim.name", ("sgd", "adam"))),
        ("optim.nesterov=true,false", Dimension("optim.nesterov", (True, False))),
        ("optim.clip=null,5", Dimension("optim.clip", (None, 5))),
        ("batch_size=32,64,128", Dimension("batch_size", (32, 64, 128))),
        ("student=mlp-16,../nets.py:mine", Dimension("student", ("mlp-16", "../nets.py:mine"))),
        ("method=kd,da", Dimension("method", ("kd", "da"))),
    ],
)
def test_words(word, found):
    assert space([word], DA) == (found,)
    assert space([str(found)], DA) == (found,)


def test_the_kind_of_an_option_is_its_parts():
    attacked = configured(method="at")
    (eps,) = space(["perturb.eps=2/255..8/255"], attacked)
    assert (eps.low, eps.high, eps.whole) == (2 / 255, 8 / 255, False)
    chained = configured(method="da", perturb="da+noise")
    (alpha,) = space(["perturb.da.alpha=0..1"], chained)
    assert not alpha.whole


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("perturb.alhpa=0.1..1", "unknown key 'perturb.alhpa'. Did you mean 'perturb.alpha'"),
        ("optm.lr=1..2", "Did you mean 'optim.lr'"),
        ("optim.lr=0.1", "has one value: give optim.lr=0.1 without --over"),
        ("optim.lr=0.1,0.1", "has a value twice"),
        ("optim.lr", "write key=LOW..HIGH"),
        ("optim.name=sgd,", "has a comma with no value beside it: write optim.name=THIS,THAT, and null for none"),
        ("optim.milestones=[0.5,0.6],[0.7]", "numbers, words, true, false and null, and no lists"),
        ("optim.lr=1..0.1", "goes from 1 to 0.1: give the lower end first"),
        ("optim.lr=1..1", "give the lower end first"),
        ("optim.lr=log:0..1", "only numbers above 0 have a logarithm"),
        ("optim.lr=lin:0..1", "a range is LOW..HIGH or log:LOW..HIGH"),
        ("optim.lr=a..b", "'a' is no number"),
        ("optim.lr=0..inf", "give a finite number"),
        ("perturb.steps=1..2.5", "perturb.steps is a whole number"),
        ("optim.name=0..1", "optim.name is no number"),
        ("optim.nesterov=0..1", "optim.nesterov is no number"),
        ("optim.name=sgd,adm", "optim.name='adm' will not do"),
        ("epochs=0..3", "epochs=0 will not do"),
        ("seed=1..3", "seed is not searched over"),
        ("device=cpu,cuda", "device is not searched over"),
        ("val=0.1..0.2", "val is not searched over: trials with other val are judged on other images"),
        ("method=da,dq", "unknown method 'dq'"),
    ],
)
def test_refusals(word, message):
    with pytest.raises(UserError) as caught:
        space([word], DA)
    assert message in str(caught.value)


def test_nothing_and_twice_are_refused():
    with pytest.raises(UserError, match="nothing to search over"):
        space([], DA)
    with pytest.raises(UserError, match=r"names optim.lr twice"):
        space(["optim.lr=0.1..1", "optim.lr=0.2..1"], DA)


def test_corners_have_every_end_and_choice():
    over = space(["optim.lr=0.1..1", "optim.name=sgd,adam,adamw"], DA)
    assert corners(over) == [
        {"optim.lr": 0.1, "optim.name": "sgd"},
        {"optim.lr": 1.0, "optim.name": "adam"},
        {"optim.lr": 1.0, "optim.name": "adamw"},
    ]


def test_values_in_few_digits_stay_within_the_ends():
    lr = Dimension("optim.lr", (), 0.012364, 0.9)
    assert lr.shortened(0.123456) == 0.1235
    assert lr.shortened(0.0123641) == 0.012364
    assert Dimension("epochs", (), 1, 10**6, whole=True).shortened(123456) == 123456


@pytest.mark.parametrize("value", [0.01778, 1e-05, 1e22, 3, True, None, "sgd", "1", "null", "a: b", ["3", "4"]])
def test_values_as_they_are_typed_are_read_back(value):
    read = overrides((f"key={plain(value)}",))["key"]
    assert read == value or float(read) == value
