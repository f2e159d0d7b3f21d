"""Scores against numbers worked out by hand, identities, and scikit-learn or scipy where these have them."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from ladder.core.types import Logits, Predictions
from ladder.params import Evaluate
from ladder.scoring import scores

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.65, 0.25, 0.1], [0.1, 0.85, 0.05], [0.2, 0.3, 0.5]])
LOGITS = np.log(PROBABILITIES).astype(np.float32)
LABELS = np.array([0, 1, 1, 2])  # the second image is answered wrongly


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """2,000 images of 7 classes, two in three answered rightly; the last class never occurs and is never the answer."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 2000)
    logits = draw.normal(0, 2, (2000, 7)).astype(np.float32)
    logits[np.arange(2000), labels] += 4
    logits[:, 6] = -20
    return logits, labels


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def test_by_hand():
    assert scores.accuracy(LOGITS, LABELS) == 0.75
    assert scores.nll(LOGITS, LABELS) == pytest.approx(-math.log(0.7 * 0.25 * 0.85 * 0.5) / 4)
    assert scores.brier(LOGITS, LABELS) == pytest.approx((0.14 + 0.995 + 0.035 + 0.38) / 4)
    assert scores.confusion(LOGITS, LABELS).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert scores.macro_f1(LOGITS, LABELS) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_ece_by_hand():
    # Five bins. (0.4, 0.6]: 1 right at 0.5. (0.6, 0.8]: 1 of 2 right at 0.7 and 0.65. (0.8, 1]: 1 right at 0.85.
    assert scores.ece(LOGITS, LABELS, bins=5) == pytest.approx((0.5 + 0.35 + 0.15) / 4)
    assert scores.ece(LOGITS, LABELS, bins=1) == pytest.approx(0.75 - (0.7 + 0.65 + 0.85 + 0.5) / 4)


def test_ece_bins_are_closed_above():
    logits = np.log([[0.5, 0.5], [0.9, 0.1]]).astype(np.float32)
    assert scores.ece(logits, np.array([0, 1]), bins=2) == pytest.approx((0.5 + 0.9) / 2)


def test_ece_is_the_published_sum(drawn):
    logits, labels = drawn
    probabilities = softmax(logits)
    confidence, answers = probabilities.max(axis=1), probabilities.argmax(axis=1)
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            accuracy = (answers == labels)[inside].mean()
            expected += inside.sum() / len(labels) * abs(accuracy - confidence[inside].mean())
    assert scores.ece(logits, labels, bins=15) == pytest.approx(expected, abs=1e-12)


def test_agrees_with_scikit_learn(drawn):
    logits, labels = drawn
    probabilities, answers, classes = softmax(logits), logits.argmax(axis=1), range(7)
    assert scores.accuracy(logits, labels) == sklearn.metrics.accuracy_score(labels, answers)
    assert scores.macro_f1(logits, labels) == pytest.approx(sklearn.metrics.f1_score(labels, answers, average="macro"))
    assert scores.nll(logits, labels) == pytest.approx(sklearn.metrics.log_loss(labels, probabilities, labels=classes))
    assert scores.brier(logits, labels) == pytest.approx(
        sklearn.metrics.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False)
    )
    counts = scores.confusion(logits, labels)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, sklearn.metrics.confusion_matrix(labels, answers, labels=classes))
    np.testing.assert_allclose(
        scores.per_class(logits, labels, 0.95)["accuracy"][:6],
        sklearn.metrics.recall_score(labels, answers, average=None),
    )


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("correct", "images"), [(0, 1), (1, 1), (0, 50), (50, 50), (7, 36), (8630, 10000)])
def test_wilson_interval_is_scipys(correct, images, confidence):
    expected = scipy.stats.binomtest(correct, images).proportion_ci(confidence, method="wilson")
    low, high = scores.wilson_interval(correct, images, confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= correct / images <= high <= 1


def test_wilson_interval_by_hand():
    # z = 1.959964, z^2 = 3.841459: center (4 + 1.920729) / 13.841459, half width z * sqrt(2.4 + 0.960365) / 13.841459
    assert scores.wilson_interval(4, 10, 0.95) == pytest.approx((0.168180, 0.687326), abs=1e-6)
    assert scores.wilson_interval(0, 0, 0.95) == (0.0, 1.0)


@pytest.mark.parametrize("wrong", [(-1, 10, 0.95), (11, 10, 0.95), (5, 10, 95.0)])
def test_wilson_interval_refuses_nonsense(wrong):
    with pytest.raises(ValueError, match="correct of"):
        scores.wilson_interval(*wrong)


def test_extremes():
    sure = np.array([[100, 0], [0, 100]], dtype=np.float32)
    right, wrong = np.array([0, 1]), np.array([1, 0])
    assert scores.nll(sure, right) == pytest.approx(0, abs=1e-12)
    assert scores.nll(sure, wrong) == pytest.approx(100)  # not infinite: log softmax, not the log of a rounded zero
    assert [scores.brier(sure, labels) for labels in (right, wrong)] == pytest.approx([0, 2])
    assert [scores.ece(sure, labels, bins=15) for labels in (right, wrong)] == pytest.approx([0, 1])


def test_scores_ignore_what_softmax_ignores(drawn):
    logits, labels = drawn
    shifted = logits.astype(np.float64) + np.arange(2000)[:, None]
    for score in (scores.nll, scores.brier):
        assert score(shifted, labels) == pytest.approx(score(logits, labels))


def calibrated_at(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Ten answers of 70% confidence, seven of them right, then overstated by `temperature`."""
    logits = np.tile(np.log([0.7, 0.3]) * temperature, (10, 1)).astype(np.float32)
    return logits, np.array([0] * 7 + [1] * 3)


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
def test_fit_temperature_recovers_a_known_one(temperature):
    logits, labels = calibrated_at(temperature)
    assert scores.fit_temperature(logits, labels) == pytest.approx(temperature, rel=1e-5)


def test_fit_temperature_scales_with_the_logits(drawn):
    logits, labels = drawn
    assert scores.fit_temperature(2 * logits, labels) == pytest.approx(
        2 * scores.fit_temperature(logits, labels), rel=1e-5
    )


def test_fit_temperature_never_worsens_the_nll_it_was_fitted_on(drawn):
    logits, labels = drawn
    fitted = scores.nll(logits / scores.fit_temperature(logits, labels), labels)
    assert fitted <= scores.nll(logits, labels)


@pytest.mark.parametrize("scale", [1e-3, 1, 50, 1e30])
def test_without_a_mistake_on_validation_no_temperature_is_fitted(scale):
    """Any smaller one would fit better, to the bound: test answers would all become certain, mistakes among them."""
    labels = np.array([0, 1, 2, 1])
    right = (np.eye(3)[labels] * scale).astype(np.float32)
    assert scores.fit_temperature(right, labels) == 1.0
    val = Logits(right, labels, np.arange(4))
    test = Logits(right, np.array([0, 1, 2, 2]), np.arange(4))
    found = scores.headline(Predictions(val, test, ("a", "b", "c"), {}), Evaluate(ece_bins=15, confidence=0.95))
    assert all(math.isfinite(value) for value in found.values())
    assert found["ece_scaled"] == found["ece"]


def test_per_class():
    columns = scores.per_class(LOGITS, LABELS, 0.95)
    assert list(columns) == ["images", "correct", "accuracy", "accuracy_low", "accuracy_high"]
    assert columns["images"].tolist() == [1, 2, 1]
    assert columns["correct"].tolist() == [1, 1, 1]
    assert columns["accuracy"].tolist() == [1, 0.5, 1]
    assert (columns["accuracy_low"][1], columns["accuracy_high"][1]) == scores.wilson_interval(1, 2, 0.95)


def test_a_class_without_images_has_no_accuracy(drawn):
    columns = scores.per_class(*drawn, 0.95)
    assert columns["images"][6] == 0
    assert math.isnan(columns["accuracy"][6])
    assert (columns["accuracy_low"][6], columns["accuracy_high"][6]) == (0, 1)


def test_headline():
    val = Logits(*calibrated_at(3), ids=np.arange(10))
    test = Logits(LOGITS, LABELS, ids=np.arange(10, 14))
    found = scores.headline(Predictions(val, test, ("a", "b", "c"), {}), Evaluate(ece_bins=5, confidence=0.95))
    low, high = scores.wilson_interval(3, 4, 0.95)
    expected = {
        "accuracy": 0.75,
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": 7 / 9,
        "nll": scores.nll(LOGITS, LABELS),
        "brier": 0.3875,
        "ece": 0.25,
        "ece_scaled": scores.ece(LOGITS / 3, LABELS, bins=5),  # 3 fits validation; the test part has no say
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, rel=1e-5)
    assert all(type(value) is float for value in found.values())


def replaced(value: float) -> np.ndarray:
    changed = LOGITS.copy()
    changed[2, 1] = value
    return changed


@pytest.mark.parametrize("score", [scores.accuracy, scores.macro_f1, scores.nll, scores.brier, scores.fit_temperature])
@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (replaced(np.nan), LABELS, "1 of 4 images have logits that are NaN or infinite"),
        (replaced(-np.inf), LABELS, "NaN or infinite"),
        (LOGITS, LABELS[:3], r"\(4, 3\) and labels \(3,\)"),
        (LOGITS[:0], LABELS[:0], "N > 0"),
        (LOGITS, LABELS + 1, "labels from 1 to 3: expected 0 to 2"),
        (LOGITS, LABELS - 1, "labels from -1 to 1"),
    ],
)
def test_bad_input_is_refused(score, logits, labels, message):
    with pytest.raises(ValueError, match=message):
        score(logits, labels)
