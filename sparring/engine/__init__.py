"""The verbs: train any method, on any device, and survive anything. Knows no method and no role."""

from sparring.engine.batchnorm import synchronised
from sparring.engine.checkpoint import Checkpoints
from sparring.engine.descent import Descent
from sparring.engine.device import Compute
from sparring.engine.fit import fit
from sparring.engine.processes import together

__all__ = ["Checkpoints", "Compute", "Descent", "fit", "synchronised", "together"]
