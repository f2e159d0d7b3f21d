"""Scores of one model's answers: accuracy and its interval, F1, NLL, Brier, calibration, confusion.

Everywhere logits are float32 (N, C), labels int64 (N,), and the sums run in float64. Log probabilities serve as logits,
so that averaged or sampled answers are scored by the same functions. All raise ValueError for logits that are not
finite and for labels that do not match them.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, ndtri, softmax

from ladder.core.types import Predictions
from ladder.params import Evaluate

# Far wider than a trained network needs: an end is reached only where no temperature is best.
LOG_TEMPERATURE_BOUNDS = (-3.0, 3.0)


def headline(predictions: Predictions, evaluate: Evaluate) -> dict[str, float]:
    """The figures of `metrics/<name>.json`, all of the test part; accuracies and errors are fractions.

    `accuracy_low` and `accuracy_high` bound the Wilson interval of `evaluate.confidence`. `ece_scaled` is the
    calibration error left when the logits are divided by the temperature that fits the validation part best.
    """
    logits, labels = predictions.test.logits, predictions.test.labels
    temperature = fit_temperature(predictions.val.logits, predictions.val.labels)
    correct = int(np.trace(confusion(logits, labels)))
    low, high = wilson_interval(correct, len(labels), evaluate.confidence)
    return {
        "accuracy": accuracy(logits, labels),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": macro_f1(logits, labels),
        "nll": nll(logits, labels),
        "brier": brier(logits, labels),
        "ece": ece(logits, labels, bins=evaluate.ece_bins),
        "ece_scaled": ece(logits / np.float32(temperature), labels, bins=evaluate.ece_bins),
    }


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose largest logit is their label's. Of equal logits the first counts as the answer."""
    return float(np.mean(_answers(logits, labels) == labels))


def wilson_interval(correct: int, images: int, confidence: float) -> tuple[float, float]:
    """Interval that covers the true accuracy with probability `confidence`, from `correct` of `images`.

    Unlike the normal approximation it stays within [0, 1] and keeps its coverage near both ends. No image: (0, 1).
    scipy.stats has it too, but takes as long to import as all else here: the tests compare the two.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if not 0 <= correct <= images or not 0 < confidence < 1:
        raise ValueError(f"{correct} correct of {images} images at confidence {confidence}")
    if images == 0:
        return 0.0, 1.0
    z = float(ndtri((1 + confidence) / 2))
    share = correct / images
    center = share + z * z / (2 * images)
    half_width = z * math.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    scale = 1 + z * z / images
    low = 0.0 if correct == 0 else (center - half_width) / scale
    high = 1.0 if correct == images else (center + half_width) / scale
    return low, high


def macro_f1(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), without classes that are neither present nor predicted."""
    counts = confusion(logits, labels)
    actual, predicted = counts.sum(axis=1), counts.sum(axis=0)
    seen = actual + predicted > 0
    return float(np.mean(2 * np.diag(counts)[seen] / (actual + predicted)[seen]))


def nll(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log likelihood of the labels, in nats."""
    _check(logits, labels)
    return _nll(logits.astype(np.float64), labels)


def brier(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over images of the squared error of the probabilities, summed over classes: 0 is perfect, 2 the worst.

    Source: Brier 1950, Monthly Weather Review 78, 1-3 (half of it is reported elsewhere for two classes).
    """
    errors = _probabilities(logits, labels)
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.mean(np.sum(errors**2, axis=1)))


def ece(logits: np.ndarray, labels: np.ndarray, *, bins: int) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins, weighted by their images.

    Confidence is the largest probability; the `bins` are of equal width, each open below and closed above.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    probabilities = _probabilities(logits, labels)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    # |images in the bin| * |accuracy - confidence| is the size of the summed differences.
    differences = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(differences).sum() / len(labels))


def fit_temperature(val_logits: np.ndarray, val_labels: np.ndarray) -> float:
    """The T > 0 for which logits / T have the least negative log likelihood; above 1 for an overconfident model.

    1 where every answer is right: the likelihood then grows without end as T falls, which tells nothing of confidence.

    Only for validation logits: fitted on the test part it would flatter the calibration reported there.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    _check(val_logits, val_labels)
    if np.all(val_logits.argmax(axis=1) == val_labels):
        return 1.0
    logits = val_logits.astype(np.float64)
    # Convex in 1 / T, so log T has one minimum and the bounded search finds it; log makes its steps relative ones.
    found = minimize_scalar(
        lambda log_temperature: _nll(logits / math.exp(log_temperature), val_labels),
        bounds=LOG_TEMPERATURE_BOUNDS,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(found.x)


def confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Numbers of images, int64 (C, C): row = actual class, column = predicted class."""
    classes = logits.shape[1]
    pairs = labels * classes + _answers(logits, labels)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def per_class(logits: np.ndarray, labels: np.ndarray, confidence: float) -> dict[str, np.ndarray]:
    """Columns (C,): `images`, `correct`, `accuracy` (NaN for a class without images) and its Wilson interval."""
    counts = confusion(logits, labels)
    images, correct = counts.sum(axis=1), np.diag(counts)
    intervals = [wilson_interval(c, n, confidence) for c, n in zip(correct, images, strict=True)]
    low, high = np.array(intervals).T
    return {
        "images": images,
        "correct": correct,
        "accuracy": np.divide(correct, images, out=np.full(len(images), np.nan), where=images > 0),
        "accuracy_low": low,
        "accuracy_high": high,
    }


def warnings(logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], confidence: float) -> list[str]:
    """What makes a model useless, in words: one answer for all images, or no better than the most frequent class."""
    counts, given = np.bincount(labels, minlength=len(classes)), np.unique(_answers(logits, labels))
    if len(given) == 1:
        return [f"answers {classes[given[0]]} for every image"]
    often = int(counts.argmax())
    low, _ = wilson_interval(int((_answers(logits, labels) == labels).sum()), len(labels), confidence)
    if low <= counts[often] / len(labels):
        return [
            f"is not distinguishable from always answering {classes[often]}, which is right on"
            f" {counts[often] / len(labels):.1%} of these {len(labels):,} images"
        ]
    return []


def _answers(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _check(logits, labels)
    return logits.argmax(axis=1)


def _probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _check(logits, labels)
    return softmax(logits.astype(np.float64), axis=1)


def _nll(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(log_softmax(logits, axis=1)[np.arange(len(labels)), labels]))


def _check(logits: np.ndarray, labels: np.ndarray) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(f"logits {logits.shape} and labels {labels.shape}: expected (N, C) and (N,) with N > 0")
    if not np.isfinite(logits).all():
        bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
        raise ValueError(f"{bad} of {len(labels)} images have logits that are NaN or infinite")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}: expected 0 to {logits.shape[1] - 1}")
