"""What a run writes down about itself, its teacher and its method."""

import json

import pytest
from runs import configured

from sparring.recipes.run import run
from sparring.recipes.slots import changes, resolved


def test_the_teacher_is_told_beside_the_student(teacher, tmp_path):
    own = json.loads((teacher / "result.json").read_text())
    found = run(configured(teacher=str(teacher), method="kd", epochs=1), tmp_path / "kd").metrics
    told = found["teacher_facts"]
    for part in ("validation", "test"):
        assert told[part].keys() == own[part].keys()
        assert told[part] == pytest.approx(own[part], abs=1e-5)
    assert (told["parameters"], told["macs"]) == (own["parameters"], own["macs"])
    assert 0 < told["latency"] < 1
    assert 0 < found["latency"] < 1
    assert "teacher_facts" not in own


@pytest.mark.parametrize(
    ("told", "departures"),
    [
        ({"method": "da"}, {}),
        ({"method": "da", "perturb.p": 0.7374}, {}),
        ({"method": "da", "perturb.p": 0.5, "objective.T": 2}, {"perturb.p": 0.5, "objective.T": 2.0}),
        ({"method": "kd-simkd", "perturb": "da"}, {"perturb": "da"}),
        ({"method": "kd-simkd", "perturb": "da", "perturb.p": 0.5}, {"perturb": "da", "perturb.p": 0.5}),
        ({"method": "kd-simkd", "objective.ce": 0.1}, {"objective.ce": 0.1}),
        ({"method": "da-release", "objective": "ce"}, {"objective": "ce"}),
    ],
)
def test_changes_to_a_methods_row(told, departures):
    assert changes(resolved(configured(**told))) == departures
