"""The phase machine and the pool."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from sparring.parts.phases import Phases, Rules
from sparring.parts.pool import Pool


def told(phases, *errors):
    return [phases.advance(error) for error in errors]


def test_an_attack_ends_after_exactly_c_batches_above_the_threshold():
    phases = Phases(Rules(5, 40, patience=3))
    assert told(phases, 90, 90, 40, 90, 90) == [False] * 5  # 40 is not above 40, and the count begins again
    assert phases.attacking
    assert phases.advance(90)
    assert not phases.attacking


def test_a_defence_ends_after_exactly_c_batches_below():
    phases = Phases(Rules(5, 40, patience=2))
    told(phases, 90, 90)
    assert told(phases, 1, 5, 1) == [False] * 3
    assert not phases.attacking
    assert phases.advance(1) is False  # no snapshot at this end
    assert phases.attacking
    assert phases.state.phases == 3


def test_an_attack_that_gets_nowhere_is_given_up_and_owes_a_rest():
    phases = Phases(Rules(5, 40, patience=2, attack_cap=4, rest=6))
    assert told(phases, *[10] * 4) == [False] * 4
    assert not phases.attacking
    assert phases.state.given_up == 1
    told(phases, *[0] * 5)
    assert not phases.attacking
    told(phases, 0)
    assert phases.attacking


def test_a_defence_has_a_cap_of_its_own_and_after_a_success_no_rest():
    phases = Phases(Rules(5, 40, patience=1, defence_cap=3, rest=50))
    told(phases, 90, 20, 20)
    assert not phases.attacking
    told(phases, 20)
    assert phases.attacking
    assert phases.state.given_up == 0
    told(phases, 90, 0)
    assert phases.attacking


def test_the_machine_goes_on_from_its_state():
    whole, rules = [], Rules(5, 40, patience=2, attack_cap=5, defence_cap=7, rest=4)
    errors = torch.rand(200, generator=torch.Generator().manual_seed(0)).mul(60).tolist()
    phases = Phases(rules)
    for error in errors:
        phases.advance(error)
        whole.append(phases.get_extra_state())
    assert phases.state.phases > 10
    for stop in range(0, 200, 7):
        again = Phases(rules)
        again.set_extra_state(whole[stop])
        told(again, *errors[stop + 1 :])
        assert again.state == phases.state


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"low": 40, "high": 5}, r"the lower threshold is 40 and the upper 5: .* give l_min below l_max"),
        ({"low": 5, "high": 40, "patience": 0}, r"patience is 0"),
        ({"low": 5, "high": 40, "attack_cap": -1}, r"cap -1, student_cap 0 and rest 0"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, text):
    with pytest.raises(ValueError, match=text):
        Rules(**rules)


def snapshot(value):
    return {"w": torch.tensor(float(value))}


def test_a_pool_draws_each_as_often_and_keeps_copies():
    pool, weight = Pool(), torch.zeros(())
    for value in range(4):
        weight.fill_(value)
        pool.add({"w": weight}, (value, 0))
    drawn = Counter(int(pool.draw(torch.device("cpu"))["w"]) for _ in range(2000))
    assert set(drawn) == {0, 1, 2, 3}
    assert min(drawn.values()) > 400


def test_a_full_pool_keeps_the_newest_and_a_sample_of_the_past():
    pool = Pool(3)
    for value in range(50):
        pool.add(snapshot(value), (value, value // 2))
        assert int(pool.snapshots[-1]["w"]) == value
    assert len(pool) == 3
    assert int(pool.snapshots[0]["w"]) < 49
    assert pool.joined == [(int(kept["w"]), int(kept["w"]) // 2) for kept in pool.snapshots]
    with pytest.raises(ValueError, match="a pool of 0 holds nothing"):
        Pool(0)


def test_a_pool_goes_on_from_its_state():
    pool = Pool()
    for value in range(5):
        pool.add(snapshot(value), (value, value // 2))
    state = pool.state_dict()
    expected = [int(pool.draw(torch.device("cpu"))["w"]) for _ in range(20)]
    other = Pool()
    other.load_state_dict(state)
    assert [int(other.draw(torch.device("cpu"))["w"]) for _ in range(20)] == expected
    assert other.joined == [(value, value // 2) for value in range(5)]


def test_what_a_pool_leaves_is_spread_over_its_past():
    pool = Pool()
    assert pool.keepsakes(4, 100) == {}
    for value in range(10):
        pool.add(snapshot(value), (10 * value, value))
    for most, most_bytes, values in ((4, 100, [0, 3, 6, 9]), (100, 12, [0, 4, 9]), (4, 1, [0, 9])):
        kept = pool.keepsakes(most, most_bytes)
        assert [int(kept[f"{n}.w"]) for n in range(len(values))] == values
        assert [kept[f"{n}.joined"].tolist() for n in range(len(values))] == [[10 * value, value] for value in values]
        assert len(kept) == 2 * len(values)
    assert len(pool.keepsakes(100, 1000)) == 20
