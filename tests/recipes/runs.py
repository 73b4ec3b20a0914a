"""Small real runs on the digits, and children of this process that can be killed."""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from sparring.errors import Interrupted, UserError
from sparring.recipes import config as schema
from sparring.recipes.keepsakes import KEEPSAKES
from sparring.recipes.run import run

torch.set_num_threads(1)
TIMES = ("seconds", "data_share", "images_per_second", "peak_memory_bytes", "latency")


def configured(**changes):
    """A configuration: two epochs of a perceptron unless told otherwise."""
    start = {"student": "mlp-16", "data": "digits", "epochs": 2, "method": "ce", "threads": 1, "device": "cpu"}
    return schema.merged(schema.Config(), start | changes)


def result(out):
    """result.json without what the clock says."""
    found = json.loads((out / "result.json").read_text())
    found.get("teacher_facts", {}).pop("latency", None)
    return {key: value for key, value in found.items() if key not in TIMES}


def epochs(out):
    """The journal's epoch lines without what the clock says."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key != "seconds"} for line in lines if line["kind"] == "epoch"
    ]


def losses(out):
    """The journal's training lines without speed and gauges."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["terms"]) for line in lines if line["kind"] == "train"]


def assert_same(out, reference):
    """Two runs ended alike: weights bit for bit, every epoch told once, one result."""
    assert (out / "student.safetensors").read_bytes() == (reference / "student.safetensors").read_bytes()
    assert [path.read_bytes() for path in out.glob(KEEPSAKES)] == [
        path.read_bytes() for path in reference.glob(KEEPSAKES)
    ]
    assert epochs(out) == epochs(reference)
    assert result(out) == result(reference)


def child(work, log, environment=None):
    """Start `work` in a forked process whose output goes to the file `log`; returns its number."""
    sys.stdout.flush()
    if number := os.fork():
        return number
    code = 1
    try:
        file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.environ.update(environment or {})
        work()
        code = 0
    except UserError as error:
        print(f"UserError: {error}")
        code = 2
    except Interrupted as stopped:
        print(f"Interrupted: {stopped}")
        code = 128 + stopped.signal
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(number, patience=240.0):
    """The exit code of a child once it has ended; negative: the signal that killed it, as one that hangs is."""
    until = time.time() + patience
    while (found := os.waitpid(number, os.WNOHANG)) == (0, 0):
        time.sleep(0.01)
        if time.time() > until:
            os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(found[1])


def resumed(config, out):
    """Run or go on, saving whenever the meter speaks."""
    return run(config, out, resume=True, checkpoint_seconds=0.0)


def kill_at(calls, when):
    """Let this process be killed at the `calls`-th file that is made safe: half written, written, or just in place."""
    seen, fsync, write, replace = [0], os.fsync, Path.write_bytes, Path.replace

    def die_now():
        os.kill(os.getpid(), signal.SIGKILL)

    def count(stage):
        if stage == when:
            seen[0] += 1
            if seen[0] == calls:
                die_now()

    def half(path, content):
        if when == "half" and seen[0] == calls - 1:
            write(path, content[: len(content) // 2])
        count("half")
        return write(path, content)

    def flush(file):
        count("written")
        fsync(file)

    def move(path, target):
        moved = replace(path, target)
        count("placed")
        return moved

    Path.write_bytes, os.fsync, Path.replace = half, flush, move
