"""Make a small classifier as good, and as robust, as a big one: distillation where teacher and student disagree.

import sparring
run = sparring.distill("runs/teacher", "mlp-16", "digits", method="da", out="runs/mine")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparring.core import UserError
    from sparring.verbs import Outcome, check, compare, distill, export, reproduce, show, train, train_augmentor
    from sparring.verbs_sweep import sweep

__version__ = "0.1.0"
__all__ = [
    "Outcome",
    "UserError",
    "__version__",
    "check",
    "compare",
    "distill",
    "export",
    "reproduce",
    "show",
    "sweep",
    "train",
    "train_augmentor",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """The verbs, imported when first asked for: `import sparring` alone does not import torch."""
    if name not in __all__:
        raise AttributeError(f"module 'sparring' has no attribute {name!r}")
    from sparring import errors, verbs, verbs_sweep

    if name == "UserError":
        return errors.UserError
    return getattr(verbs_sweep if name == "sweep" else verbs, name)
