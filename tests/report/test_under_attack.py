"""Accuracies under attack of many runs, side by side."""

import json
from dataclasses import replace

from folders import write_run

from sparring.report import groups, markdown, page, runs
from sparring.report.attacked import attacked, picture
from sparring.report.ledger import kept
from sparring.report.missing import missing
from sparring.report.table import table
from sparring.report.units import ball

BALL = {"norm": "linf", "eps": 8 / 255, "part": "test", "images": 1000}
KEY = "linf-0.0313725-test-1000"


def told(run, *, robust=0.45, pgd=0.5, version="standard", remarks=(), finished=True):
    """A run's autoattack.json and robust.json."""
    after = {"apgd-ce": robust + 0.04, "apgd-t": robust, "fab-t": robust, "square": robust}
    entry = {**BALL, "version": version, "clean": 0.84, "after": after, "accuracy": robust, "remarks": list(remarks)}
    (run / "autoattack.json").write_text(json.dumps({f"{version}-{KEY}": {**entry, "finished": finished}}))
    checks = [{"name": "noise", "passed": pgd < 0.9, "says": "PGD-20 is weaker than <b>noise"}]
    accuracy = {"clean": 0.84, "noise": 0.8, "pgd-20": pgd, "pgd-100": pgd}
    climb = [{"steps": steps, "student_accuracy": 0.8, "teacher_accuracy": 0.7} for steps in (0, 1, 50)]
    whole = {**BALL, "accuracy": accuracy, "autoattack": {"clean": 0.84, **after}, "checks": checks}
    whole |= {"curve": [[0.0, 0.84], [8 / 255, pgd], [1.0, 0.0]], "disagreement": climb, "corruptions": {"mean": 0.6}}
    (run / "robust.json").write_text(json.dumps({KEY: whole}))


def cells(table):
    return [dict(zip(table.head, (cell.text for cell in row), strict=True)) for row in table.rows]


def test_arms_stand_side_by_side(tmp_path):
    for method, shift in (("ce", 0.0), ("kd", 0.02)):
        for seed in (0, 1):
            told(write_run(tmp_path / method / str(seed), method=method, seed=seed), robust=0.45 + shift + seed / 100)
    (group,) = groups(runs(tmp_path))
    (found,) = attacked(group)
    assert found.title == "AutoAttack standard, ℓ∞ 8/255, 1,000 images"
    rows = {row["method"]: row for row in cells(found.table)}
    assert rows["kd"]["AutoAttack, %"] == "47.50 ± 0.71 (2)"
    assert rows["kd"]["after APGD-CE, %"] == "51.50 ± 0.71 (2)"
    assert rows["ce"]["PGD-20, %"] == "50.00 ± 0.00 (2)"
    assert rows["ce"]["clean, %"] == "84.00 ± 0.00 (2)"
    assert all("none of" in remark for remark in found.remarks)
    assert "Under attack" in page(tmp_path, tmp_path / "report.html").read_text()
    assert "47.50 ± 0.71 (2)" in markdown(tmp_path)


def test_signs_of_masked_gradients_are_told(tmp_path):
    told(write_run(tmp_path / "a", method="ce"), pgd=0.95, remarks=["gradient masking? Square broke 3 images"])
    (group,) = groups(runs(tmp_path))
    (found,) = attacked(group)
    assert found.remarks[0] == "ce, seed 0: gradient masking? Square broke 3 images."
    assert found.remarks[1].startswith("ce, seed 0: masked gradients? noise: PGD-20 is weaker")
    assert "weaker than &lt;b&gt;noise" in page(tmp_path, tmp_path / "report.html").read_text()
    assert "weaker than &lt;b>noise" in markdown(tmp_path)


def test_the_plainest_adversarial_training_is_the_rival_and_named(tmp_path):
    weak = {"perturb.eps": 0.1, "perturb.steps": 1}
    for seed, (alone, taught) in enumerate([(0.50, 0.53), (0.52, 0.54), (0.51, 0.55)]):
        trained(tmp_path, "rslad", seed, 0.1, taught)
        told = {"test": {"accuracy": 0.95, "pgd-10": 0.4}, "changes": weak}
        write_run(tmp_path / "weak" / str(seed), method="at", seed=seed, config=weak, **told)
        if seed < 2:
            trained(tmp_path, "at", seed, 0.1, alone)
    (group,) = groups(runs([tmp_path]))
    rows = {row["method"]: row for row in cells(table(group))}
    head = "under PGD-10, against at, points [95 %]"
    assert rows["rslad"][head].startswith("+2.50 ")
    assert rows["rslad"][head].endswith("(2), cannot tell (at)")
    assert {rows[name][head] for name in rows if name.startswith("at")} == {""}


def test_what_is_said_of_several_runs_is_said_once(tmp_path):
    masked = "gradient masking? Square broke {} images at 8/255"
    for method, seed, fell in (("ce", 0, 12), ("ce", 1, 3), ("kd", 0, 7)):
        run = write_run(tmp_path / method / str(seed), method=method, seed=seed)
        told(run, remarks=[masked.format(fell)] + ["nothing else"] * (method == "kd"))
    (group,) = groups(runs(tmp_path))
    (found,) = attacked(group)
    assert sorted(found.remarks) == [
        "ce, seeds 0, 1; kd, seed 0: gradient masking? Square broke 3 to 12 images at 8/255.",
        "ce, seeds 0, 1; kd, seed 0: none of 1 tests speaks of masked gradients.",
        "kd, seed 0: nothing else.",
    ]


def test_other_ensembles_are_not_mixed_and_unfinished_ones_not_shown(tmp_path):
    told(write_run(tmp_path / "a", method="ce"))
    told(write_run(tmp_path / "b", method="kd"), version="rand")
    told(write_run(tmp_path / "c", method="da"), finished=False)
    (group,) = groups(runs(tmp_path))
    titles = {found.title.split(",")[0]: [row["method"] for row in cells(found.table)] for found in attacked(group)}
    assert titles == {"AutoAttack standard": ["ce"], "AutoAttack rand": ["kd"]}


def test_measurements_of_other_weights_are_left_out_and_told(tmp_path):
    for name, weights in (("a", "ours"), ("b", "others"), ("c", None)):
        run = write_run(tmp_path / name, method=name, weights="ours")
        told(run)
        for file in ("autoattack.json", "robust.json"):
            entries = json.loads((run / file).read_text())
            for each in entries.values():
                each |= {"weights": weights} if weights else {}
            (run / file).write_text(json.dumps(entries))
    (group,) = groups(runs(tmp_path))
    (found,) = attacked(group)
    assert [row["method"] for row in cells(found.table)] == ["a", "c"]
    said = "has measurements of other weights or Python files than that run's, which are left out."
    (other,) = (run for run in runs(tmp_path) if run.path.name == "b")
    assert missing(other) == [f"{tmp_path / 'b' / file} {said}" for file in ("autoattack.json", "robust.json")]
    assert said in markdown(tmp_path)


def test_nothing_measured_is_nothing_shown(tmp_path):
    write_run(tmp_path / "a", method="ce")
    (group,) = groups(runs(tmp_path))
    assert attacked(group) == []
    assert "Under attack" not in page(tmp_path, tmp_path / "report.html").read_text()


def test_the_picture(tmp_path):
    run = write_run(tmp_path / "a", method="ce")
    told(run)
    (about,) = runs([run])
    picture(kept(about, "robust.json")[KEY], about, run / "robust.png")
    assert (run / "robust.png").read_bytes().startswith(b"\x89PNG")


def test_a_radius_is_written_as_it_is_said():
    assert [ball("linf", eps) for eps in (8 / 255, 0.3, 0.1, 0.0, 1.0)] == [
        f"ℓ∞ {told}" for told in ("8/255", "0.3", "0.1", "0", "1")
    ]
    assert ball("l2", 0.5) == "ℓ2 0.5"


def trained(path, method, seed, eps, last, best=None):
    """A run that was attacked within eps, and what it withstood at its last epoch and at its best."""
    told = {"test": {"accuracy": 0.9, "pgd-10": last}, "changes": {"perturb.eps": eps}}
    if best is not None:
        told["test_at_best_validation"] = {"accuracy": 0.91, "pgd-10": best}
    write_run(path / f"{method}-{eps}-{seed}", method=method, seed=seed, config={"perturb.eps": eps}, **told)


def test_what_training_withstood_is_held_against_adversarial_training_within_the_same_ball(tmp_path):
    for seed, (alone, taught) in enumerate([(0.50, 0.53), (0.52, 0.54), (0.51, 0.55)]):
        trained(tmp_path, "at", seed, 0.1, alone, best=alone + 0.01 if seed else None)
        trained(tmp_path, "rslad", seed, 0.1, taught)
        trained(tmp_path, "ard", seed, 0.2, 0.4)
    told = {"test": {"accuracy": 0.95, "pgd-10": 0.6}, "changes": {"perturb.eps": 0.1}}
    write_run(tmp_path / "teachers" / "robust", method="at", seed=1000, config={"perturb.eps": 0.1}, **told)
    (group,) = groups(runs([tmp_path]))
    rows = {row["method"].split(" ")[0]: row for row in cells(table(group)) if "role teacher" not in row["method"]}
    head = "under PGD-10, against at, points [95 %]"
    assert rows["rslad"][head] == "+3.00 [+0.52, +5.48] (3), helps"
    assert rows["at"][head] == rows["ard"][head] == ""
    assert rows["at"]["under PGD-10, %"] == "51.00 ± 1.00 (3), ℓ∞ 0.1"
    assert rows["ard"]["under PGD-10, %"] == "40.00 ± 0.00 (3), ℓ∞ 0.2"
    alone = [arm for arm in group.arms if arm.label.startswith("rslad")]
    assert cells(table(replace(group, arms=tuple(alone))))[0]["under PGD-10, %"] == "54.00 ± 1.00 (3)"
    assert rows["at"]["under PGD-10 at its best epoch, %"] == "51.67 ± 1.53 (3)"


def test_attacks_as_they_were_asked_for(tmp_path):
    about = {"attack": "pgd", **BALL, "weights": "w", "data": "d", "clean": 0.84}
    for seed in (0, 1):
        run = write_run(tmp_path / str(seed), seed=seed)
        entries = {"one": {**about, "steps": 10, "loss": "margin", "accuracy": 0.4 + seed / 10}, "damaged": {"eps": 1}}
        (run / "attacks.json").write_text(json.dumps(entries))
    (group,) = groups(runs([tmp_path]))
    (found,) = attacked(group)
    assert found.title == "PGD (steps 10, loss margin), ℓ∞ 8/255, 1,000 images"
    assert cells(found.table) == [
        {"method": "kd", "clean, %": "84.00 ± 0.00 (2)", "under attack, %": "45.00 ± 7.07 (2)"}
    ]


def test_an_attack_that_was_stopped_is_told(tmp_path):
    told(write_run(tmp_path / "run"), finished=False)
    text = markdown([tmp_path])
    assert "kd, seed 0: AutoAttack standard, ℓ∞ 8/255, 1,000 images, was stopped" in text
    assert "after Square" not in text
