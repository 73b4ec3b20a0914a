"""What speaks against the numbers of a student, as its training left it."""

from __future__ import annotations

from collections.abc import Mapping

from sparring import data as datasets
from sparring.core.seeds import chance_restored
from sparring.evaluate.autoattack import attackable
from sparring.evaluate.sound import blind
from sparring.recipes.build import Prepared
from sparring.recipes.judge import WITHSTOOD, Exam
from sparring.recipes.teacher import commonest, enough

TRIED = 250  # images on which its gradients are looked at


@chance_restored()
def doubts(prepared: Prepared, exam: Exam, scores: Mapping[str, float]) -> list[str]:
    """A sentence each: where a student is hardly better than naming one class; where its training was an attack that
    could not see well, so that what is left under such an attack says little."""
    chance, told = commonest(exam.y), []
    if scores["accuracy"] < enough(chance):
        told.append(
            f"the student is right on {scores['accuracy']:.1%}, where naming one class always gets {chance:.1%}: it "
            "learned hardly anything, and its other numbers say little"
        )
    if exam.ball is not None:
        device = prepared.compute.device
        some = datasets.some(exam.attacked, TRIED).to(device)
        first = next(iter(datasets.batches(some, batch_size=TRIED, device=device)))
        with attackable(prepared.student):
            told += [f"{line}, so {WITHSTOOD.upper()} says little" for line in blind(prepared.student, first)]
    return told
