"""What a run shows, and what it writes down."""

import json
import math
import re
from dataclasses import replace

import pytest
import torch
from runs import configured

from sparring.core import Batch, Clock, Moment
from sparring.files import as_json, read_lines
from sparring.recipes.run import run
from sparring.watch import Bar, Journal, Meter, NotFinite, speaks


def test_a_line_per_epoch_without_a_terminal(tmp_path, capsys):
    run(configured(), tmp_path / "seed-0")
    lines = capsys.readouterr().err.strip().splitlines()  # rich 13 ends with an empty line
    shape = r"ce seed-0: epoch \d/2, validation \d+\.\d\d%, ce \d\.\d{3}, [\d,]+ images/s, 0:00:\d\d left"
    assert [bool(re.fullmatch(shape, line)) for line in lines] == [True, True]


def test_the_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = Bar("da seed-0", 100, step=20)
    bar({"kind": "epoch", "step": 20, "epoch": 1, "validation": {"accuracy": 0.5}})
    bar({"kind": "train", "step": 40, "epoch": 2.0, "terms": {"ce": 1.0, "kd": 2.0}, "images_per_second": 12345.0})
    (task,) = bar.progress.tasks
    bar.close()
    text = r"epoch 2\.0: validation 50\.00%, ce 1\.000, kd 2\.000, 12,345 images/s, 0:\d\d:\d\d left"
    assert re.fullmatch(text, task.fields["text"])
    assert (task.description, task.completed, task.total) == ("da seed-0", 40, 100)


def test_json_has_no_nan():
    text = as_json({"a": math.nan, "b": [1.0, math.inf], "c": {"d": -math.inf, "e": 0.5}, "f": None, "g": "nan"})
    assert json.loads(text) == {"a": None, "b": [1.0, None], "c": {"d": None, "e": 0.5}, "f": None, "g": "nan"}


def test_a_journal_forgets_what_came_after_its_step_and_half_a_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    journal = Journal(path, batch=2)
    journal({"step": 3, "nll": math.inf})
    journal.close()
    assert read_lines(path) == [{"step": 1}, {"step": 2}, {"step": 3, "nll": None}]


def test_lines_that_are_no_whole_object_are_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    path.write_bytes(b'{"step": 1}\n\n[2]\n{"step": 3}\n{"step": 4, "name": "\xc3')
    assert read_lines(path) == [{"step": 1}, {"step": 3}]


def test_tensorboard_gets_the_numbers(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(configured(track="tensorboard"), tmp_path / "run")
    board = events.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert {"terms/ce", "images_per_second", "validation/accuracy"} <= set(board.Tags()["scalars"])
    assert [point.step for point in board.Scalars("validation/accuracy")] == [20, 40]


def moment(step, **terms):
    batch = Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2).long(), torch.zeros(2).long())
    return Moment(Clock(step, 100, 1000, step), batch, {"student": {k: torch.tensor(v) for k, v in terms.items()}})


def test_the_meter_averages_each_term_over_the_steps_that_had_it():
    heard = []
    meter = Meter([heard.append], dict, batch_size=2, mean=lambda values: values)
    for step, terms in enumerate([{"ce": 1.0}, {"ce": 2.0, "kd": 5.0}, {"ce": 3.0}, {"ce": 4.0}, {"ce": 5.0}]):
        meter(moment(step, **terms))
    (line,) = heard
    assert line["terms"] == {"ce": 3.0, "kd": 5.0}
    assert line["step"] == 5


def test_the_meter_names_the_first_bad_step():
    meter = Meter([], dict, batch_size=2, mean=lambda values: values)
    for step, value in enumerate([1.0, math.inf, math.nan, 1.0]):
        meter(moment(step, ce=value, kd=2.0))
    with pytest.raises(NotFinite, match=r"stopped at step 2: a loss is not finite: ce=inf, kd=2. Try a lower"):
        meter(moment(4, ce=1.0, kd=2.0))


def test_the_meter_names_the_terms_of_the_bad_batch_alone():
    """While others move than the student, many batches are of one step."""
    meter = Meter([], dict, batch_size=2, mean=lambda values: values)
    for number in range(4):
        now = moment(0, ce=1.0 if number < 3 else math.nan)
        meter(replace(now, clock=replace(now.clock, batch=number)))
    with pytest.raises(NotFinite, match=r"a loss is not finite: ce=nan\. Try"):
        meter(moment(4, ce=1.0))


@pytest.mark.parametrize(("length", "words"), [(1, 1), (19, 19), (20, 20), (45, 23), (100, 20), (5004, 101)])
def test_how_often_the_meter_speaks(length, words):
    batch = Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2).long(), torch.zeros(2).long())
    spoken = [speaks(Moment(Clock(step, length, length, step), batch, {})) for step in range(length)]
    assert sum(spoken) == words
    assert spoken[-1]
