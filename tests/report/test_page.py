"""The table, the Markdown and the page: whole, safe and with nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from folders import write_disagreement, write_run

from sparring.core import UserError
from sparring.report import groups, markdown, page, runs, table

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
    share = {"data": 0.1, "perturb": 0.2, "teacher": 0.3, "student": 0.4}
    for seed in (0, 1, 2):
        write_run(root / f"ce/seed-{seed}", method="ce", seed=seed, accuracy=0.70 + seed / 1000)
        path = root / f"da/seed-{seed}"
        more = {"claim": claim, "test_best": {"accuracy": 0.75}, "time_share": share}
        write_run(path, method="da", seed=seed, accuracy=0.73 + seed / 500, **more)
        write_disagreement(path)
    write_run(root / "late/seed-0", method=EVIL, student="vgg8", manifest={"command": f"sparring {EVIL}"})
    write_run(root / "kd/seed-0", finished=False)


def made(root):
    text = page([root], root / "out/report.html").read_text()
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
        "share of the step",
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
    assert "That is the baseline" in made(tmp_path)


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


def test_markdown(tmp_path):
    full(tmp_path)
    text = markdown(tmp_path)
    assert text.startswith("## resnet8x4 on cifar100\n\n- da helps:")
    assert "| da | 73.20 ± 0.20 (3) |" in text
    assert "<script>" not in text
    assert "(not finished)" in text
    heads = {line.count("|") - line.count("\\|") for line in text.split("## ")[1].splitlines() if line.startswith("|")}
    assert len(heads) == 1
