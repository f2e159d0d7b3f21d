"""Reliability diagrams and risk-coverage curves."""

import numpy as np

from ladder.drawing import uncertainty_plots as pictures


def test_pictures_leave_out_thin_bins_and_have_the_same_bytes_twice(tmp_path):
    bins = (np.array([0.2, 0.7]), np.array([0.1, 0.8]), np.array([24, 25]))
    panels = {"distill": {"one pass": bins, "MC dropout": bins}, "ensemble": {"vote": bins}}
    curves = {f"curve {number}": np.array([0.0, 0.1]) for number in range(5)}
    for name in ("a", "b"):
        figure = pictures.reliability(tmp_path / f"{name}_bins.png", panels, "title\nsmall")
        pictures.risk_coverage(tmp_path / f"{name}_risk.png", np.array([0.5, 1.0]), curves, "title\nsmall")
    diagonal, single, mc = figure.axes[0].lines
    assert [len(line.get_xdata()) for line in (diagonal, single, mc)] == [2, 1, 1]
    for kind in ("bins", "risk"):
        assert (tmp_path / f"a_{kind}.png").read_bytes() == (tmp_path / f"b_{kind}.png").read_bytes()


def test_long_names_are_cut():
    assert pictures.short("automobile") == "automobile"
    assert pictures.short("a very long name") == "a very long …"
