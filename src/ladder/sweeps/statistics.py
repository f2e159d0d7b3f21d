"""Several seeds of one setting: mean, deviation and interval per rung, and comparisons paired by seed.

It sees the chance in training: it speaks of recipes, on the given split and test images. `scoring.comparisons` sees the
chance in the draw of test images, and speaks of two trained models.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ladder.scoring import comparisons

Model = tuple[str, str]  # setting, rung
COMPARED = [
    *("first", "second", "first_setting", "second_setting", "seeds"),
    *("difference", "deviation", "low", "high", "p_value", "adjusted_p", "verdict"),
]


def summary(runs: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """A row per setting and rung, in the order of `runs`.

    Args:
        runs: rows `setting, rung, recipe, source, seed, accuracy`, one per trained model.
        confidence: of the interval, in (0, 1).
    Returns: `setting, rung, recipe, seeds, mean, deviation, low, high`, fractions; deviation (n - 1 in the
        denominator) is NaN for one seed, and so are the bounds of Student's interval, within [0, 1], there and where
        seeds are alike.
    """
    rows = []
    for named, group in runs.groupby(["setting", "rung", "recipe"], sort=False):
        mean, deviation, low, high = _interval(group["accuracy"].to_numpy(), confidence)
        rows.append((*named, len(group), mean, deviation, *np.clip((low, high), 0, 1)))
    return pd.DataFrame(rows, columns=["setting", "rung", "recipe", "seeds", "mean", "deviation", "low", "high"])


def compare(runs: pd.DataFrame, pairs: Sequence[tuple[Model, Model]], confidence: float) -> pd.DataFrame:
    """A row per pair of models that share two seeds or more: the first's accuracy minus the second's, seed by seed.

    Returns: `first, second` (rungs), `first_setting, second_setting, seeds, difference, deviation, low, high, p_value,
        adjusted_p, verdict`. p of the paired t-test, 1 where every seed gives the same difference, which the test
        cannot judge; adjusted by Holm for all rows.
    Source: Student 1908, doi:10.1093/biomet/6.1.1; Holm, as in `comparisons.holm`.
    """
    by_seed = runs.pivot(index="seed", columns=["setting", "rung"], values="accuracy")
    rows: list[dict[str, Any]] = []
    for first, second in pairs:
        if first not in by_seed or second not in by_seed:
            continue
        differences = (by_seed[first] - by_seed[second]).dropna().to_numpy()
        if len(differences) < 2:
            continue
        named = {"first": first[1], "second": second[1], "first_setting": first[0], "second_setting": second[0]}
        mean, deviation, low, high = _interval(differences, confidence)
        found = {"seeds": len(differences), "difference": mean, "deviation": deviation, "low": low, "high": high}
        p_value = float(stats.ttest_1samp(differences, 0).pvalue) if deviation > 0 else 1.0
        rows.append(named | found | {"p_value": p_value})
    adjusted = comparisons.holm([row["p_value"] for row in rows]).tolist()
    for row, p in zip(rows, adjusted, strict=True):
        row |= {"adjusted_p": p, "verdict": _verdict(row["difference"], row["deviation"], p, row["seeds"], confidence)}
    return pd.DataFrame(rows, columns=COMPARED)


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float, float, float]:
    """Mean, deviation, and the bounds of the mean's interval: none for values equal but for rounding errors."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, np.nan, np.nan, np.nan
    if np.ptp(values) < 1e-12:
        return mean, 0.0, np.nan, np.nan
    deviation = float(np.std(values, ddof=1))
    margin = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * deviation / len(values) ** 0.5
    return mean, deviation, mean - margin, mean + margin


def _verdict(difference: float, deviation: float, adjusted_p: float, seeds: int, confidence: float) -> str:
    if deviation == 0:
        return "alike on every seed" if difference == 0 else "the same difference on every seed: no test can judge it"
    if adjusted_p > 1 - confidence:
        return f"not distinguishable over {seeds} seeds"
    return f"these two recipes differ: the {'first' if difference > 0 else 'second'} is more accurate"
