"""Scores as the tables that DVC's templates and people read."""

import unicodedata
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import softmax

from ladder.core.types import Logits


def pairs(counts: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Rows `actual, predicted, count`, one per pair of classes, zeros included: the template draws what it is given.

    Args:
        counts: of `scores.confusion`, int64 (C, C).
    """
    count = len(classes)
    return pd.DataFrame(
        {"actual": np.repeat(classes, count), "predicted": np.tile(classes, count), "count": counts.ravel()}
    )


def mistakes(answers: Logits, classes: tuple[str, ...], files: tuple[str, ...], at_most: int) -> pd.DataFrame:
    """Rows `image, label, answer, probability`, the mistakes that a model is surest of first: often wrong labels.

    Args:
        files: names of the images by id; none: their ids stand in `image`.
        at_most: rows.
    """
    probabilities = softmax(answers.logits.astype(np.float64), axis=1)
    given = answers.logits.argmax(axis=1)
    sure = probabilities[np.arange(len(given)), given]
    wrong = np.flatnonzero(given != answers.labels)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:at_most]
    named = np.array(classes, object)
    return pd.DataFrame(
        {
            "image": [files[index] if files else str(index) for index in answers.ids[wrong]],
            "label": named[answers.labels[wrong]],
            "answer": named[given[wrong]],
            "probability": sure[wrong],
        }
    )


def interval(headline: Mapping[str, float], confidence: float) -> str:
    """The interval around accuracy of `scores.headline`, in words and percent."""
    low, high = 100 * headline["accuracy_low"], 100 * headline["accuracy_high"]
    return f"{100 * confidence:g}% interval {low:.2f} to {high:.2f}%"


def isolated(name: str) -> str:
    """A class' name as part of a line: what is written from right to left leaves the order of all beside it alone.

    Source: Unicode Standard Annex 9, first strong isolates.
    """
    runs_left = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"\u2068{name}\u2069" if runs_left else name
