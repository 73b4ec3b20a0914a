"""Learned augmentors: modules that change images, differentiably, and start as the identity."""
