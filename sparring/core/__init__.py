"""The nouns of the house, in torch alone: what a batch, an answer, a score, a moment, a mover and a method are."""

from sparring.core.batch import Batch, View
from sparring.core.clock import Clock
from sparring.core.losses import Losses, term
from sparring.core.method import Method, Moment
from sparring.core.network import Network
from sparring.core.output import NoLogits, Output
from sparring.core.player import Player
from sparring.core.setting import Setting
from sparring.errors import UserError, did_you_mean

__all__ = [
    "Batch",
    "Clock",
    "Losses",
    "Method",
    "Moment",
    "Network",
    "NoLogits",
    "Output",
    "Player",
    "Setting",
    "UserError",
    "View",
    "did_you_mean",
    "term",
]
