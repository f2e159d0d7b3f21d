"""Scores as the tables that DVC's templates and people read."""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def pairs(counts: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Rows `actual, predicted, count`, one per pair of classes, zeros included: the template draws what it is given.

    Args:
        counts: of `scores.confusion`, int64 (C, C).
    """
    count = len(classes)
    return pd.DataFrame(
        {"actual": np.repeat(classes, count), "predicted": np.tile(classes, count), "count": counts.ravel()}
    )


def interval(headline: Mapping[str, float], confidence: float) -> str:
    """The interval around accuracy of `scores.headline`, in words and percent."""
    low, high = 100 * headline["accuracy_low"], 100 * headline["accuracy_high"]
    return f"{100 * confidence:g}% interval {low:.2f} to {high:.2f}%"
