"""Paired comparison of two models on the same test images: bootstrap interval, exact McNemar test, Holm's correction.

It sees the chance in the draw of test images, not the chance in training: it speaks of two trained models, never of two
recipes, which takes several seeds of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Comparison:
    """Two models a and b on the same images.

    `difference`: accuracy of a minus accuracy of b, a fraction; `low` and `high` bound its interval.
    `only_a`, `only_b`: numbers of images that only a, only b gets right. `p_value` as it stands, corrected for nothing.
    """

    images: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float


def compare(correct_a: np.ndarray, correct_b: np.ndarray, *, confidence: float, samples: int, seed: int) -> Comparison:
    """Compare which images two models get right.

    Args:
        correct_a, correct_b: bool (N,), the same images in the same order.
        confidence: of the interval, in (0, 1).
        samples: number of bootstrap samples.
        seed: of the bootstrap.
    Returns: percentile interval of the paired bootstrap (of width 0 if no image sets the two apart) and the p-value of
        the exact, two-sided McNemar test (1 in that case).
    Raises: ValueError for arrays that are not bool (N,), differ in length or hold no image; for confidence or samples
        out of range.
    Source: McNemar 1947, doi:10.1007/BF02295996; percentile bootstrap, Efron 1979, doi:10.1214/aos/1176344552.
    """
    correct_a, correct_b = np.asarray(correct_a), np.asarray(correct_b)
    for name, correct in (("correct_a", correct_a), ("correct_b", correct_b)):
        if correct.dtype != np.bool_ or correct.ndim != 1:
            raise ValueError(f"{name} must be bool (N,), not {correct.dtype} {correct.shape}")
    if len(correct_a) != len(correct_b):
        raise ValueError(
            f"the models must be compared on the same images, not on {len(correct_a)} and {len(correct_b)}"
        )
    if len(correct_a) == 0:
        raise ValueError("there are no images to compare on")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), not {confidence}")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")

    images = len(correct_a)
    only_a = int(np.sum(correct_a & ~correct_b))
    only_b = int(np.sum(correct_b & ~correct_a))
    low, high = _interval(only_a, only_b, images, confidence, samples, seed)
    return Comparison(
        images=images,
        only_a=only_a,
        only_b=only_b,
        difference=(only_a - only_b) / images,
        low=low,
        high=high,
        p_value=_mcnemar(only_a, only_b),
    )


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """P-values adjusted for testing all of them: float64 (M,), in the order given.

    Rejecting those at or below a level keeps the chance of one false rejection or more at or below that level.

    Raises: ValueError for values that are not (M,) or not in [0, 1].
    Source: Holm 1979, doi:10.2307/4615733.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"p-values must be a list of numbers in [0, 1], not {p_values}")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)  # the smallest times M, the next times M - 1, ...
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)  # never below a smaller p-value's
    return adjusted


def verdict(comparison: Comparison, adjusted_p: float, *, confidence: float) -> str:
    """What the test shows, in words that claim no more: about two trained models, on images like these.

    Args:
        adjusted_p: the comparison's p-value after `holm`.
        confidence: they differ if adjusted_p is at most 1 - confidence.
    Raises: ValueError for an adjusted_p below the comparison's own: Holm only raises.
    """
    if not adjusted_p >= comparison.p_value:
        raise ValueError(f"adjusted_p={adjusted_p} is below the p-value {comparison.p_value}: it must come from holm()")
    if adjusted_p > 1 - confidence:
        return f"not distinguishable on {comparison.images:,} images"
    better = "first" if comparison.difference > 0 else "second"
    return f"these two trained models differ: the {better} is more accurate"


def _interval(only_a: int, only_b: int, images: int, confidence: float, samples: int, seed: int) -> tuple[float, float]:
    """Drawing images with replacement draws these three counts from a multinomial: the same, without the images."""
    alike = images - only_a - only_b
    shares = np.array([only_a, only_b, alike]) / images
    counts = np.random.default_rng(seed).multinomial(images, shares, size=samples)  # (samples, 3)
    differences = (counts[:, 0] - counts[:, 1]) / images
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided binomial test that an image which sets the two apart favours either with probability 1/2."""
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b).pvalue)
