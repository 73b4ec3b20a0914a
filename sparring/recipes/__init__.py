"""Runs and published rows: a configuration in, a run directory out."""
