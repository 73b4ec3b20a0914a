"""The table, the Markdown and the page: whole, safe and with nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from folders import write_disagreement, write_run

from sparring.core import UserError
from sparring.report import default_place, groups, markdown, page, runs, table, teacher
from sparring.report.units import amount, duration

EVIL = "<script>alert(1)</script>$x$"
VOID = {"meta", "img", "br", "use", "path", "link", "hr"}


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not the open one."""

    def __init__(self):
        super().__init__()
        self.open, self.scripts = [], 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs): ...

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def full(root):
    claim = {"source": "Table I of the paper", "published": {"mean": 74.59, "sd": 0.24, "n": 5}, "protocol": "paper"}
    scored = {"accuracy": 0.7487, "nll": 1.0}
    taught = {"name": "resnet32x4", "test": scored, "validation": scored, "parameters": 7433860, "macs": 1.08e9}
    for seed in (0, 1, 2):
        write_run(root / f"ce/seed-{seed}", method="ce", seed=seed, accuracy=0.70 + seed / 1000)
        path = root / f"da/seed-{seed}"
        more = {"claim": claim, "test_best": {"accuracy": 0.75}, "data_share": 0.1, "teacher_facts": taught}
        write_run(path, method="da", seed=seed, accuracy=0.73 + seed / 500, **more)
        write_disagreement(path)
    write_run(root / "late/seed-0", method=EVIL, student="vgg8", manifest={"command": f"sparring {EVIL}"})
    write_run(root / "kd/seed-0", finished=False)


def made(root):
    text = page([root], root / "out/report.html").read_text().replace("\u00a0", " ")
    reader = Balanced()
    reader.feed(text)
    assert reader.open == []
    assert reader.scripts == 1
    assert not re.search(r"https?:|//\w+\.|@import|url\((?!#)", text.replace("data:image/png;base64,", ""))
    return text


def test_page_has_everything_and_nothing_from_elsewhere(tmp_path):
    full(tmp_path)
    text = made(tmp_path)
    assert text.index("da helps:") < text.index("<table")
    for words in (
        "resnet8x4 on cifar100",
        "vgg8 on cifar100",
        "74.59 ± 0.24 (5)",
        "Table I of the paper",
        "not finished",
        "steps towards disagreement",
        "validation accuracy, %",
        "training time, minutes",
        "waiting for data, %",
        "Beside its teacher",
        "1.67 points below its teacher resnet32x4",
        "memory, MiB",
        '<td data-key="1024.0">1024 ± 0</td>',
        "1.23 million parameters",
        "abcdef012345",
        "sparring train --method da --seed 2",
        "f00df00d",
        "data:image/png;base64,",
        "prefers-color-scheme: dark",
        "there is no run of the baseline",
    ):
        assert words in text
    assert "alert(1)&lt;/script&gt;" in text
    assert "alert(3)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert not list((tmp_path / "out").glob(".*"))


def test_headings_say_what_they_stand_for(tmp_path):
    full(tmp_path)
    text = page([tmp_path], tmp_path / "page.html").read_text()
    assert '<button type="button" title="expected calibration error: ' in text
    assert '<button type="button">test accuracy' in text


def test_page_is_the_same_twice(tmp_path):
    full(tmp_path / "runs")
    first = page(tmp_path / "runs", tmp_path / "a.html").read_text()
    assert page(tmp_path / "runs", tmp_path / "b.html").read_text() == first


def test_one_bare_run(tmp_path):
    path = write_run(tmp_path / "only", logged=False)
    for name in ("config.yaml", "manifest.json"):
        (path / name).unlink()
    (path / "result.json").write_text(
        '{"method": "kd", "student": "s", "data": "d", "seed": 0, "test": {"accuracy": 0.5}}'
    )
    text = made(tmp_path)
    assert "kd reaches 50.00 % test accuracy (n=1)" in text
    assert "<svg" not in text


def test_damaged_extras_do_not_stop_the_page(tmp_path):
    path = write_run(tmp_path / "only", method="ce")
    (path / "disagreement.json").write_text('{"rows": [')
    (path / "disagreement_examples.npz").write_bytes(b"PK\x03\x04 cut off")
    assert "resnet8x4 reaches 70.00 % test accuracy (n=1), on the labels alone." in made(tmp_path)


def test_a_network_trained_alone_is_no_baseline(tmp_path):
    write_run(tmp_path / "only", method="ce")
    text = made(tmp_path) + markdown(tmp_path)
    assert "baseline" not in text
    write_run(tmp_path / "longer", method="ce", epochs=9, accuracy=0.8)
    text = made(tmp_path) + markdown(tmp_path)
    assert "baseline" not in text
    assert "ce (epochs 9) reaches 80.00 % test accuracy (n=1), on the labels alone." in text


def test_several_students_in_one_curve_are_several_lines(tmp_path):
    path = write_run(tmp_path / "a", method="da")
    write_disagreement(path, students=("with kd", "with da"))
    text = made(tmp_path)
    for name in ("student, with kd", "teacher, with da"):
        assert name in text


def test_no_finished_run_is_said(tmp_path):
    write_run(tmp_path / "a", finished=False)
    with pytest.raises(UserError, match="None of the 1 runs found is finished"):
        page(tmp_path, tmp_path / "r.html")
    with pytest.raises(UserError, match="None of the 1 runs found is finished"):
        markdown(tmp_path)


def test_table_cells(tmp_path):
    for seed, accuracy in enumerate((0.70, 0.72)):
        write_run(tmp_path / f"ce{seed}", method="ce", seed=seed, accuracy=accuracy)
        write_run(tmp_path / f"kd{seed}", seed=seed, accuracy=accuracy + 0.02 + seed / 100)
    found = table(groups(runs(tmp_path))[0])
    rows = [dict(zip(found.head, row, strict=True)) for row in found.rows]
    assert [row["method"].text for row in rows] == ["ce", "kd"]
    assert rows[0]["test accuracy, %"].text == "71.00 ± 1.41 (2)"
    assert rows[0]["verdict"].text == "baseline"
    assert rows[1]["difference to baseline, points"].text == "+2.50 [−3.85, +8.85] (2)"
    assert rows[1]["difference to baseline, points"].key == pytest.approx(0.025)
    assert rows[1]["NLL, nats"].text == "1.200 ± 0.000"
    assert rows[1]["training time"].text == "15 min"
    assert "published, %" not in found.head


def test_the_student_beside_its_teacher(tmp_path):
    full(tmp_path)
    (group,) = (group for group in groups(runs(tmp_path)) if group.student == "resnet8x4")
    assert teacher.sentence(group) == (
        "da is 1.67 points below its teacher resnet32x4 (73.20 against 74.87 % on the test set), with 16.6 % of its "
        "parameters and 4.6 % of its multiply-adds."
    )
    found = teacher.beside(group)
    rows = [dict(zip(found.head, (cell.text for cell in row), strict=True)) for row in found.rows]
    assert [row["network"] for row in rows] == ["teacher: resnet32x4", "resnet8x4, ce", "resnet8x4, da"]
    assert [row["against its teacher, points"] for row in rows] == ["", "−4.77", "−1.67"]
    assert [row["parameters"] for row in rows] == ["7.43 million", "1.23 million", "1.23 million"]
    assert [row["validation accuracy, %"] for row in rows] == ["74.87", "70.10 ± 0.10 (3)", "73.20 ± 0.20 (3)"]
    assert "one image takes" not in found.head
    assert "| teacher: resnet32x4 | 74.87 |" in markdown(tmp_path)


def test_a_page_about_several_runs_takes_no_other_pages_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_place([Path("runs/a")]) == Path("runs/a/report.html")
    assert default_place(["runs/a", "runs/b"]) == Path("report.html")
    Path("report.html").write_text("mine")
    Path("report-2.html").write_text("mine too")
    assert default_place(["runs/a", "runs/b"]) == Path("report-3.html")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (930, "930"),
        (1194, "1.19 thousand"),
        (83892, "83.9 thousand"),
        (999_600, "1 million"),
        (1233540, "1.23 million"),
    ],
)
def test_amounts(number, words):
    assert amount(number) == words


@pytest.mark.parametrize(
    ("time", "words"),
    [(0.00042, "0.42 ms"), (9.5, "9.5 s"), (45, "45 s"), (149, "2.5 min"), (599, "10 min"), (9000, "2.5 h")],
)
def test_durations(time, words):
    assert duration(time) == words


def test_markdown(tmp_path):
    full(tmp_path)
    text = markdown(tmp_path)
    assert text.startswith("## resnet8x4 on cifar100\n\n- da helps:")
    assert "| da | 73.20 ± 0.20 (3) |" in text
    assert "<script>" not in text
    assert "(not finished)" in text
    heads = {line.count("|") - line.count("\\|") for line in text.split("## ")[1].splitlines() if line.startswith("|")}
    assert len(heads) == 2  # of the results, and of the teacher beside them


def test_an_autoencoder_beside_the_runs_is_not_waited_for(tmp_path):
    write_run(tmp_path / "kd", method="kd")
    write_run(tmp_path / "vae", method="autoencoder", test={"mse": 0.1})
    assert "Not counted" not in markdown([tmp_path])
    write_run(tmp_path / "late", method="kd", seed=1, finished=False)
    assert "late` (not finished)" in markdown([tmp_path])
