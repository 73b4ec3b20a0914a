"""The papers' networks; and names → networks: own, timm, torchvision, transformers, or a Python file of yours."""

from sparring.nets.load import load, save, wrap
from sparring.nets.names import TABLE, build, names
from sparring.nets.origin import Origin, network, origin_of
from sparring.nets.trial import classes_of

__all__ = ["TABLE", "Origin", "build", "classes_of", "load", "names", "network", "origin_of", "save", "wrap"]
