"""How uncertain a model is of each image, and whether that tells its mistakes: entropies, AUROC, risk and coverage.

`samples` are log probabilities (T, N, C) of T passes, `log_probabilities` (N, C) any model's answers (a single pass'
logits after log_softmax). Entropies are in nats, from 0 to log C. All sums run in float64; no torch.
"""

import numpy as np
from scipy.special import log_softmax, logsumexp


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Logits (..., C) -> their log softmax, float64."""
    return log_softmax(logits.astype(np.float64), axis=-1)


def predictive(samples: np.ndarray) -> np.ndarray:
    """Log of the mean over passes of the probabilities: (T, N, C) -> (N, C)."""
    return logsumexp(samples.astype(np.float64), axis=0) - np.log(len(samples))


def entropy(log_probabilities: np.ndarray) -> np.ndarray:
    """-sum p log p over the last axis: (..., C) -> (...). All the uncertainty, whatever its cause."""
    logs = log_probabilities.astype(np.float64)
    return -np.sum(np.exp(logs) * logs, axis=-1)


def expected_entropy(samples: np.ndarray) -> np.ndarray:
    """Mean over passes of each pass' own entropy (N,): what remains where all passes agree."""
    return entropy(samples).mean(axis=0)


def mutual_information(samples: np.ndarray) -> np.ndarray:
    """Entropy of the mean answer minus the mean entropy (N,), at least 0: how much the passes disagree.

    Source: Houlsby et al. 2011, arXiv:1112.5745 (BALD).
    """
    return np.maximum(entropy(predictive(samples)) - expected_entropy(samples), 0.0)


def variance(samples: np.ndarray) -> np.ndarray:
    """Variance over passes (divided by T) of the probability of the class that the mean answer ranks first: (N,)."""
    answers = predictive(samples).argmax(axis=1)
    return np.exp(samples.astype(np.float64))[:, np.arange(len(answers)), answers].var(axis=0)


def auroc(uncertainty: np.ndarray, mistakes: np.ndarray) -> float:
    """Probability that a mistake is more uncertain than a right answer, ties counting half; 0.5 is chance.

    Args:
        uncertainty: (N,), larger is less certain.
        mistakes: bool (N,).
    Returns: NaN where there is nothing to tell apart, that is no mistake or nothing but mistakes.
    """
    wrong, right = int(mistakes.sum()), int((~mistakes).sum())
    if wrong == 0 or right == 0:
        return float("nan")
    _, group, sizes = np.unique(uncertainty, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]  # from 1, ties share their mean rank
    return float((ranks[mistakes].sum() - wrong * (wrong + 1) / 2) / (wrong * right))


def risks(uncertainty: np.ndarray, mistakes: np.ndarray) -> np.ndarray:
    """Share of mistakes among the k most certain images, k = 1..N: (N,). Ties share their mistakes evenly.

    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500.
    """
    order = np.argsort(uncertainty, kind="stable")
    _, group, sizes = np.unique(uncertainty[order], return_inverse=True, return_counts=True)
    shared = (np.bincount(group, weights=mistakes[order]) / sizes)[group]
    return np.cumsum(shared) / np.arange(1, len(order) + 1)


def aurc(risks: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean of `risks` over all coverages 1/N..1. Lower is better."""
    return float(risks.mean())


def risk_at(risks: np.ndarray, coverage: np.ndarray | float) -> np.ndarray:
    """Share of mistakes where the most certain share `coverage` (in (0, 1], rounded up to an image) is answered."""
    answered = np.ceil(np.asarray(coverage) * len(risks) - 1e-9).astype(int)  # 0.9 * 10 is 9, not 9.000000000000002
    return risks[np.maximum(answered, 1) - 1]


def reliability(
    log_probabilities: np.ndarray, labels: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy (both NaN in an empty bin) and images of each bin of `scores.ece`: (bins,) each."""
    confidence = np.exp(log_probabilities.max(axis=1).astype(np.float64))
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    images = np.bincount(bin_of, minlength=bins)
    totals = [confidence, log_probabilities.argmax(axis=1) == labels]
    confidences, accuracies = (
        np.divide(np.bincount(bin_of, weights=w, minlength=bins), images, out=np.full(bins, np.nan), where=images > 0)
        for w in totals
    )
    return confidences, accuracies, images
