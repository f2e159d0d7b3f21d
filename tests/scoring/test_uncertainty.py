"""Scores of uncertainty against numbers by hand and scikit-learn."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from ladder.scoring import scores
from ladder.scoring import uncertainty as us

# Image 0: two passes sure of different classes. Image 1: both undecided. Image 2: both say 3/4, 1/4.
PASSES = np.log(
    np.array([[[1 - 1e-12, 1e-12], [0.5, 0.5], [0.75, 0.25]], [[1e-12, 1 - 1e-12], [0.5, 0.5], [0.75, 0.25]]])
)
H = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_disagreement_is_mutual_information_and_doubt_is_not():
    mean = us.predictive(PASSES)
    np.testing.assert_allclose(np.exp(mean), [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]])
    np.testing.assert_allclose(us.entropy(mean), [np.log(2), np.log(2), H])
    np.testing.assert_allclose(us.expected_entropy(PASSES), [0, np.log(2), H], atol=1e-9)
    np.testing.assert_allclose(us.mutual_information(PASSES), [np.log(2), 0, 0], atol=1e-9)
    np.testing.assert_allclose(us.variance(PASSES), [0.25, 0, 0], atol=1e-9)  # of 1 and 0
    assert (us.mutual_information(PASSES) >= 0).all()


def test_variance_is_that_of_the_class_answered():
    samples = np.log(np.array([[[0.6, 0.3, 0.1]], [[0.8, 0.1, 0.1]]]))
    assert us.variance(samples) == pytest.approx([0.01])


def test_entropy_spans_0_to_log_classes():
    assert us.entropy(log_softmax(np.array([[0.0] * 10, [900.0] + [0.0] * 9]), 1)) == pytest.approx([np.log(10), 0])


def test_auroc_by_hand():
    mistakes = np.array([False, True, False, True])
    assert us.auroc(np.array([0.1, 0.9, 0.2, 0.8]), mistakes) == 1
    assert us.auroc(np.array([0.9, 0.1, 0.8, 0.2]), mistakes) == 0
    assert us.auroc(np.array([0.5, 0.5, 0.5, 0.5]), mistakes) == 0.5
    assert us.auroc(np.array([0.1, 0.3, 0.4, 0.4]), mistakes) == pytest.approx((1 + 0 + 1 + 0.5) / 4)


@pytest.mark.parametrize("levels", [3, 10**6])  # many ties, none
def test_auroc_agrees_with_scikit_learn(levels):
    draw = np.random.default_rng(0)
    doubt, mistakes = draw.integers(0, levels, 500) / levels, draw.random(500) < 0.2
    assert us.auroc(doubt, mistakes) == pytest.approx(roc_auc_score(mistakes, doubt), abs=1e-12)


@pytest.mark.parametrize("mistakes", [np.zeros(3, bool), np.ones(3, bool)])
def test_auroc_of_one_kind_does_not_exist(mistakes):
    assert np.isnan(us.auroc(np.array([0.1, 0.2, 0.3]), mistakes))


def test_risks_by_hand():
    risks = us.risks(np.array([0.4, 0.1, 0.3, 0.2]), np.array([True, False, False, True]))
    np.testing.assert_allclose(risks, [0, 1 / 2, 1 / 3, 2 / 4])
    assert us.aurc(risks) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    np.testing.assert_allclose(us.risk_at(risks, np.array([0.01, 0.25, 0.26, 0.75, 1.0])), [0, 0, 1 / 2, 1 / 3, 1 / 2])


def test_risks_do_not_depend_on_the_order_of_ties():
    risks = us.risks(np.array([0.5, 0.5, 0.1]), np.array([True, False, False]))
    np.testing.assert_allclose(risks, [0, 1 / 4, 1 / 3])
    np.testing.assert_allclose(us.risks(np.array([0.1, 0.5, 0.5]), np.array([False, False, True])), risks)


def test_full_coverage_is_the_error_rate_and_shares_are_exact():
    draw = np.random.default_rng(1)
    mistakes = draw.random(1000) < 0.3
    risks = us.risks(draw.random(1000), mistakes)
    assert us.risk_at(risks, 1.0) == pytest.approx(mistakes.mean())
    for share in (0.07, 0.29, 0.57, 0.9):  # times 1000 a little above the whole number
        assert us.risk_at(risks, share) == risks[round(share * 1000) - 1]


def test_reliability_bins_are_those_of_ece():
    draw = np.random.default_rng(2)
    logs, labels = log_softmax(draw.normal(0, 2, (400, 3)), 1), draw.integers(0, 3, 400)
    confidence, accuracy, images = us.reliability(logs, labels, 15)
    assert images.sum() == 400
    assert np.isnan(accuracy[:4]).all()  # no confidence below a third
    gaps = np.nansum(np.abs(confidence - accuracy) * images) / 400
    assert gaps == pytest.approx(scores.ece(logs, labels, bins=15))
