"""Means over seeds and paired comparisons, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ladder.sweeps import statistics

# The t quantile of a 95% interval with two degrees of freedom, from tables.
T_2 = 4.302653


def runs(**accuracies: list[float]) -> pd.DataFrame:
    """One setting; a rung's accuracies by seed, 0 and up."""
    rows = [("", rung, "", seed, value) for rung, values in accuracies.items() for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["setting", "rung", "recipe", "seed", "accuracy"])


def test_mean_deviation_and_interval():
    row = statistics.summary(runs(a=[0.5, 0.6, 0.7]), 0.95).iloc[0]
    assert (row["rung"], row["seeds"]) == ("a", 3)
    assert row["mean"] == pytest.approx(0.6)
    assert row["deviation"] == pytest.approx(0.1)  # sqrt((0.01 + 0 + 0.01) / 2)
    assert (row["low"], row["high"]) == pytest.approx((0.6 - T_2 * 0.1 / 3**0.5, 0.6 + T_2 * 0.1 / 3**0.5))


def test_one_seed_has_a_mean_and_no_deviation():
    row = statistics.summary(runs(a=[0.7]), 0.95).iloc[0]
    assert row["mean"] == 0.7
    assert row[["deviation", "low", "high"]].isna().all()


def test_seeds_that_are_alike_have_no_interval_and_none_leaves_the_range():
    """Three networks that make as many mistakes on 300 images do not show that a fourth one will."""
    found = statistics.summary(runs(alike=[0.9867, 0.9867, 0.9867], high=[0.99, 0.97, 0.99]), 0.95)
    alike, high = (found.iloc[number] for number in range(2))
    assert (alike["mean"], alike["deviation"]) == (pytest.approx(0.9867), 0)
    assert alike[["low", "high"]].isna().all()
    assert high["high"] == 1
    assert high["low"] == pytest.approx(high["mean"] - T_2 * high["deviation"] / 3**0.5)


def test_a_comparison_is_paired_by_seed():
    """Far apart from seed to seed, and alike in their difference: only pairing sees that b is better."""
    table = runs(a=[0.50, 0.60, 0.70], b=[0.52, 0.61, 0.73])
    row = statistics.compare(table, [(("", "b"), ("", "a"))], 0.95).iloc[0]
    assert row["difference"] == pytest.approx(0.02)
    assert row["deviation"] == pytest.approx(0.01)
    assert row["low"] == pytest.approx(0.02 - T_2 * 0.01 / 3**0.5)
    assert row["p_value"] == pytest.approx(stats.ttest_rel([0.52, 0.61, 0.73], [0.50, 0.60, 0.70]).pvalue)
    assert row["p_value"] == row["adjusted_p"]
    assert row["verdict"] == "not distinguishable over 3 seeds"  # p is 0.074


def test_only_shared_seeds_are_paired_and_p_values_are_adjusted():
    table = runs(a=[0.5, 0.6, 0.7, 0.8, 0.8], b=[0.551, 0.652, 0.749], c=[0.5])
    pairs = [(("", "b"), ("", "a")), (("", "c"), ("", "a")), (("", "gone"), ("", "a")), (("", "a"), ("", "b"))]
    found = statistics.compare(table, pairs, 0.95)
    assert list(found["first"]) == ["b", "a"]
    assert list(found["seeds"]) == [3, 3]
    assert np.allclose(found["adjusted_p"], 2 * found["p_value"])
    assert list(found["verdict"]) == [
        "these two recipes differ: the first is more accurate",
        "these two recipes differ: the second is more accurate",
    ]


def test_what_does_not_vary_is_not_judged():
    table = runs(a=[0.5, 0.6, 0.7], same=[0.5, 0.6, 0.7], more=[0.6, 0.7, 0.8])
    found = statistics.compare(table, [(("", "same"), ("", "a")), (("", "more"), ("", "a"))], 0.95)
    assert list(found["verdict"]) == [
        "alike on every seed",
        "the same difference on every seed: no test can judge it",
    ]
    assert list(found["adjusted_p"]) == [1, 1]
    assert found[["low", "high"]].isna().all(axis=None)


def test_nothing_to_compare_is_an_empty_table():
    assert list(statistics.compare(runs(a=[0.5, 0.6]), [], 0.95).columns) == statistics.COMPARED
