"""The papers' networks; and names → networks: own, timm, torchvision, transformers, or a Python file of yours."""

from sparring.nets.ensemble import Combine, ensemble, joined, members, refed, team
from sparring.nets.exits import deepest, exit_asked, exits_of, only
from sparring.nets.load import load, save, wrap
from sparring.nets.names import TABLE, build, names
from sparring.nets.origin import Origin, network, origin_of
from sparring.nets.trial import classes_of

__all__ = [
    "TABLE",
    "Combine",
    "Origin",
    "build",
    "classes_of",
    "deepest",
    "ensemble",
    "exit_asked",
    "exits_of",
    "joined",
    "load",
    "members",
    "names",
    "network",
    "only",
    "origin_of",
    "refed",
    "save",
    "team",
    "wrap",
]
