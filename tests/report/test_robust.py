"""Corrupted accuracies of many runs, side by side."""

import json

from folders import write_run

from sparring.report import groups, markdown, page, runs
from sparring.report.robust import corrupted, variants


def told(run, accuracy, clean=0.9, **more):
    """A run's corruptions.json."""
    whole = {"benchmark": "MNIST-C", "source": "made here", "part": "test", "images": 1000, "clean": clean}
    whole |= {"accuracy": accuracy, "mean": 0.0, "skipped": {}} | more
    (run / "corruptions.json").write_text(json.dumps(whole))


def cells(table):
    return [dict(zip(table.head, (cell.text for cell in row), strict=True)) for row in table.rows]


def test_arms_stand_side_by_side(tmp_path):
    for method, shift in (("ce", 0.0), ("kd", 0.2)):
        for seed in (0, 1):
            run = write_run(tmp_path / method / str(seed), method=method, seed=seed, data="mnist")
            levels = {"1": 0.6 + shift, "3": 0.2 + shift + seed / 10}
            told(run, {"translate": levels, "stripe": {"0": 0.3}}, skipped={"canny_edges": "needs <b>skimage"})
    (group,) = groups(runs(tmp_path))
    (found,) = corrupted(group)
    rows = {row["corruption"]: row for row in cells(found.means)}
    assert rows["clean"]["ce, %"] == "90.00 ± 0.00 (2)"
    assert rows["translate"]["ce, %"] == "42.50 ± 3.54 (2)"  # mean over severities, spread over seeds
    assert rows["translate"]["kd, %"] == "62.50 ± 3.54 (2)"
    assert rows["mean of all"]["ce, %"] == "36.25 ± 1.77 (2)"
    detail = [row for row in cells(found.levels) if (row["corruption"], row["method"]) == ("translate", "kd")]
    assert detail[0]["severity 3, %"] == "45.00 ± 7.07 (2)"
    html = page(tmp_path, tmp_path / "report.html").read_text()
    assert "On corrupted images" in html
    assert "needs &lt;b&gt;skimage" in html
    assert "62.50 ± 3.54 (2)" in html
    assert "62.50 ± 3.54 (2)" in markdown(tmp_path)


def test_other_sources_are_not_mixed_and_no_mean_is_made_of_different_sets(tmp_path):
    first, second, third = (write_run(tmp_path / name, method=name, data="mnist") for name in ("ce", "kd", "da"))
    told(first, {"translate": {"3": 0.3}})
    told(second, {"shear": {"3": 0.5}})
    told(third, {"translate": {"0": 0.4}}, source="/data/mnist_c", benchmark="published")
    (group,) = groups(runs(tmp_path))
    by_title = {found.title: found for found in corrupted(group)}
    assert set(by_title) == {"MNIST-C, made here", "published, /data/mnist_c"}
    ours = {row["corruption"]: row for row in cells(by_title["MNIST-C, made here"].means)}
    assert ours["translate"]["kd, %"] == "" == ours["mean of all"].get("ce, %", "")


def test_means_are_over_the_severities_that_all_have(tmp_path):
    first, second = (write_run(tmp_path / name, method=name, data="mnist") for name in ("ce", "kd"))
    told(first, {"shear": {"1": 0.9, "3": 0.5, "5": 0.1}})
    told(second, {"shear": {"3": 0.4, "5": 0.2}})
    (group,) = groups(runs(tmp_path))
    rows = {row["corruption"]: row for row in cells(corrupted(group)[0].means)}
    assert (rows["shear"]["ce, %"], rows["shear"]["kd, %"]) == ("30.00 (1)", "30.00 (1)")
    assert "mean of all" not in rows  # of one alone it says nothing


def test_nothing_measured_is_nothing_shown(tmp_path):
    write_run(tmp_path / "a", method="ce")
    (group,) = groups(runs(tmp_path))
    assert corrupted(group) == []
    assert variants(group) is None
    assert "corrupted images" not in page(tmp_path, tmp_path / "report.html").read_text()


def test_imagenet_variants(tmp_path):
    run = write_run(tmp_path / "a", method="ce")
    (run / "imagenet.json").write_text(json.dumps({"a": {"accuracy": 0.016}, "c": {"mce": 0.881}}))
    (group,) = groups(runs(tmp_path))
    (row,) = cells(variants(group))
    assert row == {"method": "ce", "ImageNet-A, %": "1.60 (1)", "ImageNet-C, mCE, %": "88.10 (1)"}
