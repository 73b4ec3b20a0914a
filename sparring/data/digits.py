"""The digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from sparring.data.cache import digest
from sparring.data.found import Found, Split


def read_digits() -> Found:
    """1,797 hand-written digits, 8 × 8 grey in 17 levels; a fixed stratified fifth of them is the test set."""
    from sklearn.datasets import load_digits  # half a second to import: only for those who ask

    values, targets = load_digits(return_X_y=True)
    images = np.round(np.reshape(values, (-1, 8, 8)) * (255 / 16)).astype(np.uint8)[:, None]
    labels = np.asarray(targets, np.int64)
    key = digest("digits", images, labels)
    return Found("digits", tuple("0123456789"), {"train": Split(images, labels)}, key, "none", carve_test=0.2)
