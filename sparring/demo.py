"""The demo: few digits, a teacher, and a student three ways; no network, no GPU, about half a minute on two cores.

Four fifths of the training images are held out, and the student has half of its teacher's epochs: with more of both it
was as good as its teacher after training alone, and nothing was left to learn from one. Of five set-ups that were tried
this one was chosen, by the held-out images; the test set was not looked at.
"""

from __future__ import annotations

from pathlib import Path

from sparring import report
from sparring.launch.jobs import Job, grid, require_some, run_all
from sparring.recipes import config as schema
from sparring.recipes.build import Given
from sparring.recipes.examine import climb, reopened
from sparring.report.groups import BASELINE

TEACHER, STUDENT = "mlp-256", "mlp-16"
TAUGHT = {"data": "digits", "val": 0.8, "epochs": 20, "optim.schedule": "cosine", "threads": 1}
RECIPE = schema.make(TAUGHT)


def demo(out: Path, *, seeds: int) -> Path:
    """Train the teacher, then the student alone, by KD and by DA over `seeds` seeds, and write out/report.html.

    A demo that was stopped goes on; one that is over is only read. Returns the page's path.
    """
    require_some(seeds=seeds)
    teacher = out / "teacher"
    longer = {"student": TEACHER, "method": BASELINE, "epochs": 2 * RECIPE.epochs}
    run_all([Job(RECIPE.model_copy(update=longer), teacher)], Given(), resume=True)
    student = RECIPE.model_copy(update={"student": STUDENT, "teacher": str(teacher), "method": "da"})
    jobs = grid(student, out / "students", methods=[BASELINE, "kd", "da"], seeds=seeds)
    run_all(jobs, Given(), resume=True)
    for job in jobs:
        if job.config.method != BASELINE and job.config.seed == 0:
            _, data, net, taught_by = reopened(job.out)
            assert taught_by is not None
            climb(job.out, data, taught_by, {job.config.method: net})
    return report.page([out / "students"], out / "report.html")
