"""How good a network is, how far it is from its teacher, and what it costs; strangers to the training loop."""

from sparring.evaluate.answers import Evaluator, answers, resting
from sparring.evaluate.classification import agreement, classification, score, score_answers
from sparring.evaluate.cost import latency, macs, parameters

__all__ = [
    "Evaluator",
    "agreement",
    "answers",
    "classification",
    "latency",
    "macs",
    "parameters",
    "resting",
    "score",
    "score_answers",
]
