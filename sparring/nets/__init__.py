"""The papers' networks; and names → networks: own, timm, torchvision, transformers, or a Python file of yours."""

from sparring.nets.names import TABLE, build, names
from sparring.nets.origin import Origin, origin_of, taps

__all__ = ["TABLE", "Origin", "build", "names", "origin_of", "taps"]
