"""Make a small classifier as good, and as robust, as a big one: distillation where teacher and student disagree."""

__version__ = "0.1.0"
