"""How good a network is, how far it is from its teacher, and what it costs; strangers to the training loop."""

from sparring.evaluate.answers import answers, resting
from sparring.evaluate.classification import score, score_answers, score_exits
from sparring.evaluate.cost import latency, macs, parameters
from sparring.evaluate.robust_accuracy import robust_accuracy

__all__ = [
    "answers",
    "latency",
    "macs",
    "parameters",
    "resting",
    "robust_accuracy",
    "score",
    "score_answers",
    "score_exits",
]
