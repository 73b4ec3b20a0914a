"""The picture of an augmentor, and of its phases."""

from __future__ import annotations

import json

import numpy as np
import pytest
from folders import write_run
from matplotlib.figure import Figure

from sparring.report import page, phases, runs
from sparring.report.augmented import LARGEST, augmented, draw


def pictures(*shape):
    images = np.random.default_rng(0).random((2, 3, *shape)).astype(np.float16)
    return {"images": images, "rows": np.array(["originals", "at the end"]), "titles": np.array(["0", "1", "2"])}


def drawn(found):
    ax = Figure().subplots()
    draw(ax, found)
    return ax


def test_images_are_drawn_as_images_and_signals_as_lines():
    ax = drawn(pictures(3, 8, 8))
    assert (len(ax.images), len(ax.lines)) == (1, 0)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["originals", "at the end"]
    ax = drawn(pictures(1, 1, 40))
    assert (len(ax.images), len(ax.lines)) == (0, 6)
    heights = ax.lines[0].get_ydata()
    values = pictures(1, 1, 40)["images"][0, 0, 0, 0]
    assert np.argmin(heights) == np.argmax(values)  # the y axis points down, and a high value is drawn high


def test_large_images_are_drawn_smaller_as_means_of_blocks():
    found = pictures(1, 2 * LARGEST, 2 * LARGEST)
    shown = drawn(found).images[0].get_array()
    cell = LARGEST + LARGEST // 8
    assert shown.shape == (2 * cell, 3 * cell, 4)
    assert shown[:, :, 3].mean() == pytest.approx((LARGEST / cell) ** 2)  # clear between them
    assert float(shown[0, 0, 0]) == pytest.approx(float(found["images"][0, 0, 0, :2, :2].mean(dtype=float)), abs=1e-3)


def journal(path, *, joint=False):
    lines = []
    for batch, step, error in ((10, 0, 90.0), (20, 5, 30.0), (30, 15, 4.0)):
        gauges = {"error": error, "distance": batch / 10}
        if not joint:
            gauges |= {"attacking": 0.0, "pool": 1.0, "given_up": 0.0, "l_min": 5.0, "l_max": 40.0}
        terms = {"kd": 1.0} if step == 15 else {"kd": 1.0, "augmentor.st": 2.0, "augmentor.tt": 0.5}
        lines.append({"kind": "train", "batch": batch, "step": step, "epoch": 1, "terms": terms, "gauges": gauges})
    (path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))


def test_the_phases_on_their_axes(tmp_path):
    path = write_run(tmp_path / "a", method="hard-affine", logged=False)
    journal(path)
    (run,) = runs(path)
    axes = Figure().subplots(phases.PANELS, 1)
    phases.draw(axes, phases.told(run), run.config)
    error, pool, losses, distance = axes
    assert [line.get_label() for line in error.lines] == ["student", "l_max 40", "l_min 5"]
    assert error.lines[0].get_ydata().tolist() == [90, 30, 4]
    shades = [(patch.get_x(), patch.get_width(), patch.get_alpha()) for patch in error.patches]
    assert shades == [(0, 10, phases.SHADE), (10, 10, phases.SHADE / 2)]  # of the last stretch all was the student's
    assert np.isnan(losses.lines[0].get_ydata()[-1])
    assert all(ax.get_ylabel() for ax in axes)
    assert "batches" in distance.get_xlabel()
    assert pool.lines[0].get_ydata().tolist() == [1, 1, 1]


def test_a_joint_run_has_no_thresholds_and_other_runs_no_phases(tmp_path):
    path = write_run(tmp_path / "a", method="hard-mix", logged=False)
    journal(path, joint=True)
    (run,) = runs(path)
    text = phases.timeline(run)
    assert text is not None
    assert "l_max" not in text
    assert phases.timeline(runs(write_run(tmp_path / "b"))[0]) is None


def test_a_damaged_file_is_no_reason_to_have_no_page(tmp_path):
    path = write_run(tmp_path / "a")
    (path / "augmentor.npz").write_bytes(b"PK\x03\x04 cut off")
    assert augmented(runs(path)[0]) is None
    assert 'class="pixels"' not in page(path, tmp_path / "r.html").read_text()
    np.savez(path / "augmentor.npz", **pictures(1, 8, 8))
    assert 'class="pixels"' in page(path, tmp_path / "r.html").read_text()
