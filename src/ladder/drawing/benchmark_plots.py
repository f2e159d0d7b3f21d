"""The benchmark's picture: accuracy against latency, with file size as area and the Pareto front marked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ladder.drawing.style import COLORS, INK, MARKERS, MUTED, SMALL_SIZE, canvas, headline

POINTS_PER_MB = 18.0  # square points of area
SMALLEST_POINT = 30.0
INCHES = (10.5, 5.5)


def pareto(cost: Sequence[float], gain: Sequence[float]) -> np.ndarray:
    """Which points, bool (N,), no other beats: none costs less and gains as much, or costs as much and gains more."""
    costs, gains = np.asarray(cost), np.asarray(gain)
    no_worse = (costs[:, None] <= costs) & (gains[:, None] >= gains)  # [i, j]: i is no worse than j
    better = (costs[:, None] < costs) | (gains[:, None] > gains)
    return np.asarray(~(no_worse & better).any(axis=0))


def accuracy_against_latency(path: str | Path, table: pd.DataFrame, processor: str) -> Figure:
    """Draw one point per variant: median time of one image on one CPU thread, or on the GPU.

    Args:
        table: columns of `benchmark.csv`; engine and device together have a color and a marker each.
        processor: its name.
    Returns: the figure as drawn.
    """
    table = table.assign(latency_ms=table["p50_ms_1_thread"], runs=table["engine"] + ", " + table["device"])
    title = f"Accuracy against latency\narea: file size; lines: intervals of accuracy; {processor}"
    kinds = list(dict.fromkeys(table["runs"]))
    front = pareto(table["latency_ms"].tolist(), table["accuracy"].tolist())
    with canvas(path, *INCHES) as figure:
        axes = figure.add_subplot()
        best = table[front].sort_values("latency_ms")
        axes.plot(best["latency_ms"], 100 * best["accuracy"], color=MUTED, linewidth=1, linestyle="--", marker="")
        for number, kind in enumerate(kinds):
            rows = table["runs"] == kind
            shown, ahead = table[rows], front[rows.to_numpy()]
            color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
            x, y = shown["latency_ms"], 100 * shown["accuracy"]
            axes.vlines(x, 100 * shown["accuracy_low"], 100 * shown["accuracy_high"], color=color, linewidth=1)
            axes.scatter(
                x,
                y,
                s=SMALLEST_POINT + POINTS_PER_MB * shown["file_mb"],
                marker=marker,
                color=color,
                alpha=0.85,
                edgecolors=np.where(ahead, INK, color).tolist(),
                linewidths=np.where(ahead, 1.8, 0.5).tolist(),
            )
        axes.set_xscale("log")
        axes.margins(0.12, 0.15)
        _name_points(axes, table)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.tick_params(which="minor", labelsize=SMALL_SIZE)
        axes.set_xlabel("median time per image, batch 1, one thread (ms, logarithmic)")
        axes.set_ylabel("accuracy on the test images (%)")
        below = (0.5, -0.14)
        axes.legend(handles=_legend(kinds), fontsize=SMALL_SIZE, loc="upper center", bbox_to_anchor=below, ncols=3)
        headline(axes, title)
    return figure


def _name_points(axes: Axes, table: pd.DataFrame) -> None:
    """A column of names beside the axes, a line from each to its point: points that nearly coincide stay legible.

    Names are given out so that the lines are as short as they can be together, for then no two of them cross.
    """
    places = np.column_stack([np.full(len(table), 1.04), np.linspace(1, 0, len(table))])
    points = axes.transData.transform(np.column_stack([table["latency_ms"], 100 * table["accuracy"]]))
    _, chosen = linear_sum_assignment(cdist(points, axes.transAxes.transform(places)))
    for row, place in zip(table.to_dict("records"), places[chosen], strict=True):
        axes.annotate(
            f"{row['name']}, {row['file_mb']:.1f} MB",
            (row["latency_ms"], 100 * row["accuracy"]),
            place,
            textcoords="axes fraction",
            verticalalignment="center",
            size=SMALL_SIZE,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "relpos": (0, 0.5)},
        )


def _legend(kinds: list[str]) -> list[Line2D]:
    shown = [
        Line2D([], [], color=COLORS[i % len(COLORS)], marker=MARKERS[i % len(MARKERS)], linestyle="", label=kind)
        for i, kind in enumerate(kinds)
    ]
    dashed = Line2D(
        [], [], color=MUTED, linestyle="--", marker="", label="Pareto front (outlined): none is faster and as accurate"
    )
    return [*shown, dashed]
