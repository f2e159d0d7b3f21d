"""Pictures for people, as PNG files with reproducible bytes. Figures are matplotlib objects; there is no pyplot state.

Every picture is drawn in `canvas`, so that it has one style whatever the machine's matplotlib settings, and holds no
date and no version. Series take COLORS in order: Paul Tol's medium-contrast scheme (https://sronpersonalpages.nl/~pault/),
which color-blind people can tell apart and whose grays are evenly spread.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from ladder.artifacts import files

COLORS = ("#004488", "#EECC66", "#994455", "#6699CC", "#997700", "#EE99AA")  # neighbors far apart in gray
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, MUTED, GRID, PAPER = "#1A1A1A", "#5F6670", "#D9DCE0", "#FFFFFF"
SEQUENTIAL = LinearSegmentedColormap.from_list("ladder", ["#FFFFFF", "#BFD6EB", "#6699CC", "#004488", "#00295C"])
SHARE_SCALE = PowerNorm(0.5, 0, 1)
WHITE_TEXT_ABOVE = 0.35  # the share whose color is as far from white as from black

DPI = 150
FONT, TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = "DejaVu Sans", 13, 10, 8  # the font comes with matplotlib
STYLE = {
    "font.family": FONT,
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # class names are anybody's
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT_SIZE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLORS, marker=MARKERS),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
}

# Up to so many classes a cell has room for the share and the count beneath, or for the share alone.
CLASSES_WITH_COUNTS, CLASSES_WITH_SHARES = 12, 25
CLASSES_WITH_NAMES = 60


@contextmanager
def canvas(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches to draw on; written to `path` (PNG) at the end unless there is an error."""
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure
        with files.atomic(path) as temporary:
            figure.savefig(
                temporary, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.15, metadata={"Software": None}
            )


def headline(axes: Axes, title: str) -> None:
    """Write `title` above `axes`, flush left: the first line large, the lines after it as small print."""
    first, _, rest = title.partition("\n")
    lines = rest.count("\n") + 1 if rest else 0
    axes.set_title(first, loc="left", size=TITLE_SIZE, weight="bold", pad=10 + 14 * lines)
    axes.annotate(rest, (0, 1), (0, 9), xycoords="axes fraction", textcoords="offset points", va="bottom", color=MUTED)


def confusion(path: str | Path, counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: each row's shares as color and percent, counts beneath where there is room.

    The color scale is a square root: errors of one percent stay visible beside a diagonal of ninety.

    Args:
        counts: numbers of images, int (C, C): row = actual class, column = predicted class. A row may be all zero.
        title: the first line is set large, the lines after it small.
    Returns: the figure as drawn.
    """
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"counts {counts.shape} for {len(classes)} classes")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = _matrix_inches(len(classes))
    with canvas(path, side, side) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(shares, cmap=SEQUENTIAL, norm=SHARE_SCALE)
        _write_cells(axes, counts, shares)
        _name_classes(axes, classes)
        _explain_color(figure, axes, with_counts=len(classes) <= CLASSES_WITH_COUNTS)
        headline(axes, title)
    return figure


def _matrix_inches(classes: int) -> float:
    """Side of the matrix: cells as large as their text needs, the whole within 3.6 to 10 inches."""
    return float(np.clip(classes * (0.72 if classes <= CLASSES_WITH_COUNTS else 0.42), 3.6, 10))


def _write_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    """Percent in each cell that is not empty, and the count beneath; nothing where it could not be read."""
    if len(counts) > CLASSES_WITH_SHARES:
        return
    with_counts = len(counts) <= CLASSES_WITH_COUNTS
    for (row, column), count in np.ndenumerate(counts):
        if count == 0:
            continue
        share = shares[row, column]
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "textcoords": "offset points",
            "color": "white" if share > WHITE_TEXT_ABOVE else "black",
            "weight": "bold" if row == column else "normal",
            "in_layout": False,  # it lies within the matrix: no need to measure it
            "annotation_clip": False,
        }
        if with_counts:
            axes.annotate(f"{100 * share:.1f}", (column, row), (0, 5), size=TEXT_SIZE + 1, **style)
            axes.annotate(f"{count:,}", (column, row), (0, -10), size=SMALL_SIZE, **style | {"weight": "normal"})
        else:
            axes.annotate(f"{100 * share:.0f}", (column, row), (0, 0), size=SMALL_SIZE, **style)


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    """Class names on both axes, turned where they would touch; every second or so where even that is too many."""
    count = len(classes)
    ticks = range(0, count, -(-count // CLASSES_WITH_NAMES))
    names = [classes[tick] for tick in ticks]
    size: float = TEXT_SIZE if count <= CLASSES_WITH_COUNTS else SMALL_SIZE
    if count > CLASSES_WITH_SHARES:
        size -= 1.5
        axes.set_xticks(ticks, names, size=size, rotation=90)
    elif max(map(len, names)) > (8 if count <= CLASSES_WITH_COUNTS else 4):
        axes.set_xticks(ticks, names, size=size, rotation=40, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(ticks, names, size=size)
    axes.set_yticks(ticks, names, size=size)
    axes.set_xlabel("predicted class", labelpad=8)
    axes.set_ylabel("actual class", labelpad=8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    borders = np.arange(count + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(False, which="major")
    axes.grid(True, which="minor")


def _explain_color(figure: Figure, axes: Axes, with_counts: bool) -> None:
    """A color bar as high as the matrix, which also says what the numbers in the cells are."""
    side = figure.get_figwidth()
    inset = axes.inset_axes((1 + 0.15 / side, 0, 0.14 / side, 1))
    bar = figure.colorbar(ScalarMappable(SHARE_SCALE, SEQUENTIAL), cax=inset)
    bar.set_ticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], labels=["0", "1", "5", "10", "25", "50", "75", "100"])
    bar.ax.tick_params(labelsize=SMALL_SIZE, length=2)
    bar.set_label("% of the actual class" + (" (beneath: images)" if with_counts else ""), size=SMALL_SIZE, color=MUTED)
    bar.outline.set_visible(False)
