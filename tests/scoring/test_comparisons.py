import numpy as np
import pytest
from scipy import stats

from ladder.scoring.comparisons import compare, holm, verdict

SETTINGS = {"confidence": 0.95, "samples": 20_000, "seed": 0}


def paired(both, only_a, only_b, neither):
    """Arrays with the given numbers of images, shuffled alike."""
    correct_a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    correct_b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    order = np.random.default_rng(1).permutation(len(correct_a))
    return correct_a[order], correct_b[order]


def test_counts_difference_and_p_value_by_hand():
    comparison = compare(*paired(both=80, only_a=8, only_b=1, neither=11), **SETTINGS)
    assert (comparison.images, comparison.only_a, comparison.only_b) == (100, 8, 1)
    assert comparison.difference == pytest.approx(0.07)
    # Of 2^9 ways to hand out nine images, 1 + 9 give b at most one, and as many give a at most one.
    assert comparison.p_value == pytest.approx(2 * (1 + 9) / 2**9)


@pytest.mark.parametrize(("only_a", "only_b"), [(3, 0), (0, 6), (5, 5), (12, 30), (200, 260)])
def test_p_value_is_twice_the_smaller_binomial_tail(only_a, only_b):
    comparison = compare(*paired(50, only_a, only_b, 7), **SETTINGS)
    tail = stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)
    assert comparison.p_value == pytest.approx(min(1.0, 2 * tail))


def test_interval_is_that_of_resampled_images():
    correct_a, correct_b = paired(both=150, only_a=30, only_b=12, neither=8)
    images = np.random.default_rng(2).integers(200, size=(20_000, 200))
    differences = correct_a[images].mean(axis=1) - correct_b[images].mean(axis=1)
    comparison = compare(correct_a, correct_b, **SETTINGS)
    # Differences are multiples of 1 / 200: the two estimates may be one such step apart.
    assert [comparison.low, comparison.high] == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=1.01 / 200)


def test_interval_is_scipys_paired_bootstrap():
    correct_a, correct_b = paired(both=150, only_a=30, only_b=12, neither=8)
    expected = stats.bootstrap(
        (correct_a.astype(float), correct_b.astype(float)),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=5_000,
        confidence_level=0.8,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    comparison = compare(correct_a, correct_b, confidence=0.8, samples=20_000, seed=0)
    assert [comparison.low, comparison.high] == pytest.approx([expected.low, expected.high], abs=1.01 / 200)


def test_interval_is_near_the_normal_one_on_many_images():
    comparison = compare(*paired(both=9_000, only_a=420, only_b=300, neither=280), **SETTINGS)
    # Variance of a's hit minus b's: E[d^2] - E[d]^2 with d in {-1, 0, 1}.
    half = 1.96 * np.sqrt((720 / 10_000 - 0.012**2) / 10_000)
    assert [comparison.low, comparison.high] == pytest.approx([0.012 - half, 0.012 + half], abs=3e-4)


def test_swapping_the_models_mirrors_the_result():
    correct_a, correct_b = paired(both=150, only_a=30, only_b=12, neither=8)
    one, other = compare(correct_a, correct_b, **SETTINGS), compare(correct_b, correct_a, **SETTINGS)
    assert (other.only_a, other.only_b, other.p_value) == (one.only_b, one.only_a, one.p_value)
    assert other.difference == -one.difference
    assert [other.low, other.high] == pytest.approx([-one.high, -one.low], abs=1.01 / 200)


def test_a_model_does_not_differ_from_itself():
    correct, _ = paired(10, 5, 5, 10)
    comparison = compare(correct, correct, **SETTINGS)
    assert (comparison.only_a, comparison.only_b, comparison.p_value) == (0, 0, 1.0)
    assert (comparison.difference, comparison.low, comparison.high) == (0, 0, 0)


def test_the_seed_alone_decides_the_samples():
    correct = paired(both=800, only_a=90, only_b=60, neither=50)
    settings = {"confidence": 0.95, "samples": 50}
    assert compare(*correct, **settings, seed=3) == compare(*correct, **settings, seed=3)
    assert compare(*correct, **settings, seed=3) != compare(*correct, **settings, seed=4)


def test_a_higher_confidence_widens_the_interval():
    correct = paired(both=800, only_a=90, only_b=60, neither=50)
    narrow = compare(*correct, confidence=0.8, samples=5_000, seed=0)
    wide = compare(*correct, confidence=0.99, samples=5_000, seed=0)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("correct_a", "correct_b", "message"),
    [
        (np.ones(3, bool), np.ones(4, bool), "not on 3 and 4"),
        (np.ones(0, bool), np.ones(0, bool), "no images"),
        (np.ones(3, int), np.ones(3, bool), "correct_a must be bool"),
        (np.ones(3, bool), np.ones((3, 1), bool), "correct_b must be bool"),
    ],
)
def test_refuses_arrays_that_do_not_match(correct_a, correct_b, message):
    with pytest.raises(ValueError, match=message):
        compare(correct_a, correct_b, **SETTINGS)


@pytest.mark.parametrize("change", [{"confidence": 0.0}, {"confidence": 1.0}, {"samples": 0}])
def test_refuses_settings_out_of_range(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        compare(*paired(5, 2, 2, 1), **{**SETTINGS, **change})


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; the last may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_one_and_keeps_ties_equal():
    assert holm([0.5, 0.9, 0.5]) == pytest.approx([1, 1, 1])
    assert holm([0.02, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


def test_holm_of_one_p_value_or_none_is_itself():
    assert holm([0.03]) == pytest.approx([0.03])
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("p_values", [[0.5, 1.5], [-0.1], [float("nan")], [[0.5]]])
def test_holm_refuses_what_is_no_p_value(p_values):
    with pytest.raises(ValueError, match="p-values"):
        holm(p_values)


def test_verdict_names_the_better_model():
    better, worse = (compare(*paired(9_000, *counts, 300), **SETTINGS) for counts in [(400, 300), (300, 400)])
    assert better.p_value < 0.001
    first, second = verdict(better, 0.01, confidence=0.95), verdict(worse, 0.01, confidence=0.95)
    assert first == "these two trained models differ: the first is more accurate"
    assert second == "these two trained models differ: the second is more accurate"


def test_verdict_goes_by_the_adjusted_p_value_and_counts_the_images():
    comparison = compare(*paired(9_000, 400, 300, 300), **SETTINGS)
    assert verdict(comparison, 0.06, confidence=0.95) == "not distinguishable on 10,000 images"
    assert "differ" in verdict(comparison, 0.06, confidence=0.9)
    assert "differ" in verdict(comparison, 0.05, confidence=0.95)  # at the level counts as below it


@pytest.mark.parametrize("adjusted_p", [0.0, float("nan")])
def test_verdict_refuses_a_p_value_that_holm_cannot_have_given(adjusted_p):
    with pytest.raises(ValueError, match="adjusted_p"):
        verdict(compare(*paired(80, 8, 1, 11), **SETTINGS), adjusted_p, confidence=0.95)
