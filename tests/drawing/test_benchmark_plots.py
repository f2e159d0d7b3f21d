"""The picture of the benchmark."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Annotation
from PIL import Image
from test_quantization import rungs, trained  # noqa: F401 (a fixture)

from ladder.drawing import benchmark_plots


def test_pareto_front_by_hand():
    #        slow+good  fast+bad  beaten  equal-but-slower  twin of the first
    cost = [10.0, 1.0, 11.0, 2.0, 10.0]
    gain = [0.9, 0.5, 0.8, 0.5, 0.9]
    assert benchmark_plots.pareto(cost, gain).tolist() == [True, True, False, False, True]
    assert benchmark_plots.pareto([1.0], [0.0]).tolist() == [True]


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["big", "small", "beaten"],
            "engine": ["PyTorch eager", "ONNX Runtime", "ONNX Runtime"],
            "device": "cpu",
            "p50_ms_1_thread": [10.0, 1.0, 12.0],
            "accuracy": [0.9, 0.8, 0.7],
            "accuracy_low": [0.89, 0.79, 0.69],
            "accuracy_high": [0.91, 0.81, 0.71],
            "file_mb": [40.0, 2.0, 2.0],
        }
    )


def test_picture(tmp_path):
    figure = benchmark_plots.accuracy_against_latency(tmp_path / "p.png", table(), "Some processor")
    axes = figure.axes[0]
    (front,) = [line for line in axes.get_lines() if len(line.get_xdata()) > 1]
    assert (list(front.get_xdata()), list(front.get_ydata())) == ([1.0, 10.0], [80.0, 90.0])
    assert {text.get_text() for text in axes.texts} >= {"big, 40.0 MB", "small, 2.0 MB", "beaten, 2.0 MB"}
    areas = [points.get_sizes() for points in axes.collections if isinstance(points, PathCollection)]
    assert areas[0][0] - areas[1][0] == pytest.approx(38 * benchmark_plots.POINTS_PER_MB)
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width > 1000
        assert "Software" not in picture.info


def test_lines_from_names_to_points_do_not_cross(tmp_path):
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"p50_ms_1_thread": 10 ** rng.uniform(0, 2, 12), "accuracy": rng.uniform(0.7, 0.9, 12)})
    rows = points.assign(
        name=[f"m{i}" for i in range(12)],
        engine="here",
        device="cpu",
        accuracy_low=0.6,
        accuracy_high=0.95,
        file_mb=1.0,
    )
    axes = benchmark_plots.accuracy_against_latency(tmp_path / "p.png", rows, "Some processor").axes[0]
    lines = [
        (axes.transAxes.transform(text.get_position()), axes.transData.transform(text.xy))
        for text in axes.texts
        if isinstance(text, Annotation) and text.arrow_patch
    ]
    assert len(lines) == 12
    for (a, b), (c, d) in itertools.combinations(lines, 2):
        assert side(a, b, c) * side(a, b, d) > 0 or side(c, d, a) * side(c, d, b) > 0


def side(a, b, point) -> float:
    """On which side of the line through a and b a point lies: the sign."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
