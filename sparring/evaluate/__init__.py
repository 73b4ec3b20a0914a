"""How good a network is, how far it is from its teacher, and what it costs; strangers to the training loop."""

from sparring.evaluate.answers import answers, resting
from sparring.evaluate.classification import score, score_answers, score_exits
from sparring.evaluate.cost import latency, macs, parameters, took
from sparring.evaluate.parity import Parity, parity
from sparring.evaluate.robust_accuracy import robust_accuracy

__all__ = [
    "Parity",
    "answers",
    "latency",
    "macs",
    "parameters",
    "parity",
    "resting",
    "robust_accuracy",
    "score",
    "score_answers",
    "score_exits",
    "took",
]
