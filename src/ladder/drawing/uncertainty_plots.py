"""Pictures of uncertainty: reliability diagrams and risk-coverage curves, in the style of `style`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ladder.drawing.style import COLORS, MUTED, SMALL_SIZE, TEXT_SIZE, canvas, headline

Bins = tuple[np.ndarray, np.ndarray, np.ndarray]  # confidence, accuracy, images, as `uncertainty_scores.reliability`

SHARE = PercentFormatter(1, decimals=0)
LIGHT, DARK, MIDDLE = COLORS[3], COLORS[0], COLORS[2]  # evenly spread in gray
METHODS = ((LIGHT, "-", "o"), (DARK, "--", "s"))  # a second method is dashed and drawn on top of the first
CURVES = ((DARK, "-", "o"), (DARK, "--", "s"), (LIGHT, "-", "o"), (LIGHT, "--", "s"), (MIDDLE, "-", "D"))
SHOWN_FROM = 25  # images: the accuracy of fewer has a standard error of up to a tenth or more
LONGEST_NAME = 13  # characters that fit under a picture


def reliability(path: str | Path, panels: Mapping[str, Mapping[str, Bins]], title: str) -> Figure:
    """Draw accuracy against confidence, and beneath which share of the images has which confidence.

    Args:
        panels: model -> method -> its bins. Bins of fewer than SHOWN_FROM images are left out.
    """
    with canvas(path, 3.4 * len(panels), 4.6) as figure:
        grid = figure.add_gridspec(2, len(panels), height_ratios=(3.2, 1), hspace=0.12, wspace=0.2)
        for column, (model, methods) in enumerate(panels.items()):
            upper, lower = figure.add_subplot(grid[0, column]), figure.add_subplot(grid[1, column])
            upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":", marker="")
            for (color, line, marker), (method, bins) in zip(METHODS, methods.items(), strict=False):
                confidence, accuracy, images = bins
                shown = images >= SHOWN_FROM
                edges = np.linspace(0, 1, len(images) + 1)
                upper.plot(
                    confidence[shown], accuracy[shown], line, color=color, marker=marker, markersize=5, label=method
                )
                lower.stairs(images / images.sum(), edges, color=color, linestyle=line, linewidth=1.4)
            upper.text(0.03, 0.97, model, transform=upper.transAxes, va="top", weight="bold", size=TEXT_SIZE)
            below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.45), "handlelength": 2.6}
            lower.legend(*upper.get_legend_handles_labels(), fontsize=SMALL_SIZE, **below)
            for axes in (upper, lower):
                axes.set_xlim(0, 1.02)
                axes.xaxis.set_major_formatter(SHARE)
                axes.yaxis.set_major_formatter(SHARE)
                axes.tick_params(labelleft=column == 0, labelsize=SMALL_SIZE + 1)
            upper.set_ylim(0, 1.02)
            upper.tick_params(labelbottom=False)
            lower.set_ylim(0, 1)
            lower.set_xlabel("confidence")
            if column == 0:
                upper.set_ylabel("accuracy")
                lower.set_ylabel("images")
                headline(upper, title)
    return figure


def risk_coverage(path: str | Path, coverage: np.ndarray, curves: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw the share of mistakes among the images that are answered, the most certain first.

    Args:
        coverage: share of the images that is answered, (K,).
        curves: label -> share of mistakes (K,): two methods of one model, two of another, and a fifth.
    """
    with canvas(path, 9.6, 4.8) as figure:
        axes = figure.add_subplot()
        for number, ((color, line, marker), (label, risk)) in enumerate(zip(CURVES, curves.items(), strict=True)):
            style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 5, "markevery": (4 * number, 20)}
            axes.plot(coverage, risk, line, label=label, **style)
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, None)
        axes.xaxis.set_major_formatter(SHARE)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("coverage: share of the images that is answered, the most certain first")
        axes.set_ylabel("mistakes among them")
        axes.legend(loc="upper left", handlelength=3.2)
        headline(axes, title)
    return figure


def short(name: str) -> str:
    """A class name that fits under a picture."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
