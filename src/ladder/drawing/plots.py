"""Pictures of scores: confusion matrices, the ladder, accuracies by class, confused pairs, contact sheets."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ladder.drawing.style import (
    COLORS,
    GRID,
    MARKERS,
    MUTED,
    SEQUENTIAL,
    SHARE_SCALE,
    SMALL_SIZE,
    TEXT_SIZE,
    WHITE_TEXT_ABOVE,
    WHITE_TEXT_ABOVE_COLOR,
    canvas,
    headline,
)

# Up to so many classes a cell has room for the share and the count beneath, or for the share alone.
CLASSES_WITH_COUNTS, CLASSES_WITH_SHARES = 12, 25
CLASSES_WITH_NAMES = 60
CAPTION_LETTERS = 22


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


def ladder(
    path: str | Path,
    names: Sequence[str],
    accuracy: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    title: str,
) -> Figure:
    """Draw one row per model, from top to bottom: accuracy as a dot, its interval as a line, both in percent.

    Args:
        names: of the M models.
        accuracy, low, high: fractions, float (M,).
        title: see `headline`.
    Returns: the figure as drawn.
    """
    rows = np.arange(len(names))
    with canvas(path, 7.5, 0.34 * len(names) + 0.9) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.hlines(rows, 100 * low, 100 * high, color=COLORS[0], linewidth=2.2)
        axes.scatter(100 * accuracy, rows, s=38, marker=MARKERS[0], color=COLORS[0], zorder=3)
        for row, (value, end) in enumerate(zip(accuracy, high, strict=True)):
            axes.annotate(
                f"{100 * value:.2f}",
                (100 * end, row),
                (7, 0),
                textcoords="offset points",
                va="center",
                size=TEXT_SIZE - 1,
            )
        axes.margins(x=0.1)
        axes.set_yticks(rows, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("accuracy on the test images (%)", labelpad=8)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        headline(axes, title)
    return figure


def class_accuracies(
    path: str | Path, accuracy: np.ndarray, names: Sequence[str], classes: Sequence[str], title: str
) -> Figure:
    """Draw a heat map of accuracy in percent: a row per model, a column per class; gray where there are no images.

    Args:
        accuracy: fractions, float (M, C), NaN for a class without images.
        names, classes: of the M models and C classes.
        title: see `headline`.
    Returns: the figure as drawn.
    """
    percent = 100 * accuracy
    low = 5 * np.floor(np.nanmin(percent) / 5)
    scale = Normalize(min(low, 95), 100)
    cell = 0.62 if len(classes) <= CLASSES_WITH_COUNTS else 0.4 if len(classes) <= CLASSES_WITH_SHARES else 0.18
    with canvas(path, float(np.clip(len(classes) * cell, 3.6, 12)), 0.34 * len(names)) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_facecolor(GRID)
        axes.imshow(percent, cmap=SEQUENTIAL, norm=scale, aspect="auto")
        if len(classes) <= CLASSES_WITH_SHARES:
            for (row, column), value in np.ndenumerate(percent):
                if np.isfinite(value):
                    color = "white" if scale(value) > WHITE_TEXT_ABOVE_COLOR else "black"
                    axes.text(column, row, f"{value:.0f}", ha="center", va="center", size=TEXT_SIZE - 1, color=color)
        _name_columns(axes, classes)
        axes.set_yticks(range(len(names)), names)
        _rule_cells(axes, len(names), len(classes))
        _add_bar(figure, axes, scale, "% answered right (white: the lowest here)")
        headline(axes, title)
    return figure


def confused_pairs(
    path: str | Path, pairs: Sequence[str], counts: Sequence[np.ndarray], models: Sequence[str], title: str
) -> Figure:
    """Draw, for each pair of classes, a bar per model: how many images it takes for the wrong class of the pair.

    Args:
        pairs: what is confused, P lines of text.
        counts: numbers of images, int (P,), of each of the models.
        models: their names, in the order of the bars.
        title: see `headline`.
    Returns: the figure as drawn.
    """
    thickness = 0.8 / len(models)
    with canvas(path, 7.5, 0.46 * max(len(pairs), 2) + 0.9) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        for index, (name, values) in enumerate(zip(models, counts, strict=True)):
            rows = np.arange(len(pairs)) + (index - (len(models) - 1) / 2) * thickness
            bars = axes.barh(rows, values, thickness * 0.9, color=COLORS[index], label=name)
            axes.bar_label(bars, padding=3, size=SMALL_SIZE)
        axes.set_yticks(range(len(pairs)), pairs)
        axes.set_ylim(len(pairs) - 0.4, -0.6)
        axes.set_xlabel("test images", labelpad=8)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
        headline(axes, title)
    return figure


def contact_sheet(path: str | Path, images: np.ndarray, captions: Sequence[str], title: str) -> Figure:
    """Draw up to 25 images in rows of five, enlarged without blur, each with its caption beneath.

    Args:
        images: uint8 (N, 3, H, W), N from 0 to 25.
        captions: N texts of a few lines; the first line is set bold, lines too long for their column are cut.
        title: see `headline`.
    Returns: the figure as drawn.
    """
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    columns, image_inches = 5, 1.28  # 192 pixels: six for each of a 32 px image
    rows = max(1, -(-len(images) // columns))
    width, step = columns * (image_inches + 0.3), image_inches + 0.17 * lines + 0.2
    with canvas(path, width, rows * step) as figure:
        frame = figure.add_axes((0, 0, 1, 1))
        frame.axis("off")
        headline(frame, title)
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            row, column = divmod(index, columns)
            left, bottom = column * (image_inches + 0.3), (rows - row) * step - image_inches
            box = (left / width, bottom / (rows * step), image_inches / width, image_inches / (rows * step))
            axes = figure.add_axes(box)
            axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")  # (3, H, W) -> (H, W, 3)
            axes.axis("off")
            style: dict[str, Any] = {"xycoords": "axes points", "va": "top", "size": SMALL_SIZE}
            for line, text in enumerate(caption.split("\n")):
                weight = "normal" if line else "bold"
                text = text if len(text) <= CAPTION_LETTERS else f"{text[: CAPTION_LETTERS - 1]}…"
                axes.annotate(text, (0, -3 - 12 * line), weight=weight, **style)
        if not len(images):
            frame.text(0, 0.5, "none", transform=frame.transAxes, color=MUTED)
    return figure


def file_line(files: Sequence[str], index: int) -> str:
    """A caption's further line: the name of the file of the image with this id, if images have names."""
    return f"\n{PurePosixPath(files[index]).name}" if files else ""


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
    """Class names on both axes, every second or so where they are too many."""
    ticks, size = _name_columns(axes, classes)
    axes.set_yticks(ticks, [classes[tick] for tick in ticks], size=size)
    axes.set_xlabel("predicted class", labelpad=8)
    axes.set_ylabel("actual class", labelpad=8)
    _rule_cells(axes, len(classes), len(classes))


def _name_columns(axes: Axes, classes: Sequence[str]) -> tuple[range, float]:
    """Class names beneath, turned where they would touch. Returns the columns that are named, and the font size."""
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
    return ticks, size


def _rule_cells(axes: Axes, rows: int, columns: int) -> None:
    """Thin lines between the cells of a matrix, instead of ticks and frame."""
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(False, which="major")
    axes.grid(True, which="minor")


def _explain_color(figure: Figure, axes: Axes, with_counts: bool) -> None:
    """The color bar of a confusion matrix, which also says what the numbers in the cells are."""
    label = f"% of the actual class (color: square root{'; beneath: images' if with_counts else ''})"
    bar = _add_bar(figure, axes, SHARE_SCALE, label)
    bar.set_ticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], labels=["0", "1", "5", "10", "25", "50", "75", "100"])


def _add_bar(figure: Figure, axes: Axes, scale: Normalize, label: str) -> Colorbar:
    """A color bar to the right of a matrix, as high as it."""
    width = figure.get_figwidth()
    bar = figure.colorbar(
        ScalarMappable(scale, SEQUENTIAL), cax=axes.inset_axes((1 + 0.15 / width, 0, 0.14 / width, 1))
    )
    bar.ax.tick_params(labelsize=SMALL_SIZE, length=2)
    bar.set_label(label, size=SMALL_SIZE, color=MUTED)
    bar.outline.set_visible(False)
    return bar
