"""The adversarial paper's tables: what is claimed, what is attacked, and what a reproduced table says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparring.core import Clock
from sparring.files import read_json, write_json
from sparring.launch import reproduce as play
from sparring.parts.schedules import constant
from sparring.recipes import adversarial_tables as tables
from sparring.recipes.config import merged
from sparring.recipes.optim import schedule
from sparring.recipes.rows import TEACHER
from sparring.recipes.slots import resolved
from sparring.report import markdown
from sparring.verbs import reproduce


@pytest.mark.parametrize("scale", ["full", "cpu", "smoke"])
@pytest.mark.parametrize("table", [tables.table1, tables.table2, tables.table3, tables.table5, tables.figure1])
def test_every_line_is_a_configuration(table, scale) -> None:
    for row in table(scale):
        for changes in row.variants.values():
            resolved(merged(row.student, changes))
        assert set(row.against) <= set(row.variants)
        assert row.teacher is None or row.teacher.student


def test_what_is_printed_is_like_ours_in_the_full_rows_alone() -> None:
    (row,) = tables.table5("full")
    assert row.claims["at"]["autoattack"].mean == 46.99
    assert row.claims["akd"] == row.claims["clean-akd"]
    assert (row.attack.eps, row.attack.images) == (8 / 255, None)
    assert row.teacher.seed != row.student.seed
    assert row.student.optim.schedule == "exponential"
    assert not any(row.like for scale in ("cpu", "smoke") for row in tables.table5(scale))
    reversed_kd, poor, free = tables.table3("full")
    assert {reversed_kd.claims[TEACHER]["accuracy"].mean, reversed_kd.claims["rekd"]["accuracy"].mean} == {94.98, 95.46}
    assert (poor.teacher.epochs, free.teacher) == (1, None)
    assert free.claims["tfkd-self"]["accuracy"].sd == 0.13


def test_the_full_rows_are_trained_as_their_papers_say() -> None:
    (row,) = tables.table5("full")
    assert (row.student.batch_size, row.student.epochs, row.student.optim.lr) == (128, 50, 0.1)
    fall = schedule(row.student.optim, constant)
    assert [fall(Clock(epoch * 10, 10, 500, epoch * 10)) for epoch in (0, 49)] == pytest.approx([1.0, 0.01])
    for name, changes in row.variants.items():
        perturb = resolved(merged(row.student, changes)).perturb
        steps = {"ard": 10, "rslad": 10, "clean-akd": None}.get(name, 7)
        wanted = {"eps": 8 / 255, "size": 2 / 255, "steps": steps, "warmup": 0.0} if steps else {"name": "clean"}
        assert {key: perturb[key] for key in wanted} == wanted
    for row in tables.table3("full"):
        optim = row.student.optim
        assert (row.student.batch_size, optim.lr, optim.warmup, optim.momentum, optim.weight_decay) == (
            *(128, 0.1, 1.0),
            *(0.9, 5e-4),
        )
        assert [round(part * row.student.epochs) for part in optim.milestones] == [60, 120, 160]
        assert optim.decay == 0.2


@pytest.mark.parametrize("scale", ["full", "cpu", "smoke"])
@pytest.mark.parametrize("table", [tables.table1, tables.table2, tables.table3, tables.table5])
def test_rows_that_lie_in_one_folder_share_a_teacher_or_have_each_their_own(table, scale, tmp_path) -> None:
    jobs = [job for row in table(scale) if (job := play.teacher_job(row, tmp_path, play.Wish()))]
    assert len({str(job.out) for job in jobs}) == len({(str(job.out), job.config.model_dump_json()) for job in jobs})


def test_every_digit_is_omitted_once() -> None:
    rows = tables.table2("full")
    assert [row.student.omit for row in rows] == [(str(digit),) for digit in range(10)]
    assert all(row.teacher.omit == () for row in rows)
    assert rows[2].claims["kd"]["only"].mean == 92.73


def test_attacked_runs_are_tabled_and_held_against_a_line(tmp_path, monkeypatch) -> None:
    asked: list[tuple[str, float, int]] = []

    def attacked(run: Path, version: str, *, eps: float, images: int) -> None:
        asked.append((run.parent.name, eps, images))
        share = 0.5 if run.parent.name == "at" else 0.4 + read_json(run / "result.json")["seed"] / 100
        entry = {"version": version, "norm": "linf", "eps": eps, "part": "test", "images": images, "finished": True}
        entry |= {"clean": 1.0, "after": {}}
        others = ({"eps": 0.02}, {"norm": "l2"}, {"part": "validation"}, {"images": 40}, {"finished": False})
        found = [{**entry, **other, "accuracy": 0.99} for other in others] + [{**entry, "accuracy": share}]
        write_json(run / "autoattack.json", {str(n): each for n, each in enumerate(found)})

    monkeypatch.setattr(play, "attacked", attacked)
    options = {"variants": ["at", "akd"], "seeds": 2}
    page = reproduce("adversarial-table5", tmp_path, scale="smoke", **options)
    assert {("at", 0.5, 16), ("akd", 0.5, 16)} <= set(asked)
    text = markdown([tmp_path])
    row = next(line for line in text.splitlines() if line.startswith("| akd |"))
    assert "40.50 ± 0.71 (2)" in row
    assert "−9.50 [−15.85, −3.15] (2), hurts" in row
    assert "AutoAttack: against at, points [95\u00a0%]" in page.read_text()
    teacher = next(line for line in text.splitlines() if line.startswith("| teacher |"))
    assert "cannot tell" not in teacher  # it is no way of training the row's student
