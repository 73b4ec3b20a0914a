"""Moved to sparring.errors."""
from sparring.errors import UserError, did_you_mean  # noqa: F401
