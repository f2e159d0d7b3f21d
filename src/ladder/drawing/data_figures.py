"""The pictures of the stages `inspect`, `labels` and `corruptions`: what is drawn, and what their titles say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ladder.drawing import plots
from ladder.drawing.style import MUTED, SMALL_SIZE, canvas, headline
from ladder.drawing.uncertainty_plots import short

PAIRS_ON_A_SHEET, ON_A_SHEET = 24, 25
COLUMNS, IMAGE_INCHES, GAP_INCHES = 4, 0.96, 0.3
LETTERS = 34  # of a caption, as wide as a pair


def near_duplicates(
    path: str | Path, rows: pd.DataFrame, train: np.ndarray, test: np.ndarray, share: float, images: int
) -> Figure:
    """Draw the closest pairs across train and test, the test image to the right.

    Args:
        rows: of `pairs.csv`, one for each pair.
        train, test: uint8 (P, 3, H, W).
        share: of the test images that have a near-duplicate in train; images: their number.
    """
    captions = [
        f"{short(row['second_class'])}"
        + ("" if row["first_class"] == row["second_class"] else f", in train {short(row['first_class'])}")
        + f"\n{_name(row, 'first_')}, {_name(row, 'second_')}"
        for row in rows.to_dict("records")
    ]
    title = (
        f"{share * images:.0f} of {images:,} test images ({share:.1%}) have a near-duplicate in train\n"
        "left train, right test; the closest first, each test image once; class, then ids or names of files"
    )
    return pair_sheet(path, train, test, captions, title)


def doubtful(path: str | Path, rows: pd.DataFrame, images: np.ndarray, title: str) -> Figure:
    """Draw the images whose labels are most doubtful.

    Args:
        rows: of `doubtful.csv`, one for each image.
        images: uint8 (N, 3, H, W).
        title: see `headline`.
    """
    captions = [
        f"label {short(row['label'])}\nanswer {short(row['answer'])}\n"
        f"{row['label_probability']:.1%} and {row['answer_probability']:.1%}\n{row['part']} {_name(row, '')}"
        for row in rows.to_dict("records")
    ]
    return plots.contact_sheet(path, images, captions, title)


def corrupted(path: str | Path, table: pd.DataFrame, title: str) -> Figure:
    """Draw accuracy as a heat map: a row per model, a column per corruption and strength, and their mean.

    Args:
        table: of `accuracies.csv`, the images as they are first.
        title: see `headline`.
    """
    names, columns = list(dict.fromkeys(table["model"])), table[["corruption", "strength"]].drop_duplicates()
    labels = [f"{kind} {strength:g}" if strength else kind for kind, strength in columns.itertuples(index=False)]
    accuracy = table["accuracy"].to_numpy().reshape(len(names), len(columns))
    mean = accuracy[:, 1:].mean(axis=1, keepdims=True)
    return plots.class_accuracies(
        path, np.hstack([accuracy, mean]), names, [*labels, f"mean of {len(labels) - 1}"], title
    )


def pair_sheet(path: str | Path, left: np.ndarray, right: np.ndarray, captions: Sequence[str], title: str) -> Figure:
    """Draw pairs of images in rows of four, enlarged without blur, each with its caption of two lines beneath.

    Args:
        left, right: uint8 (P, 3, H, W).
        captions: P texts; lines too long for their column are cut.
        title: see `headline`.
    """
    rows = max(1, -(-len(left) // COLUMNS))
    width, step = COLUMNS * (2 * IMAGE_INCHES + GAP_INCHES), IMAGE_INCHES + 0.55
    with canvas(path, width, rows * step) as figure:
        frame = figure.add_axes((0, 0, 1, 1))
        frame.axis("off")
        headline(frame, title)
        for index, caption in enumerate(captions):
            row, column = divmod(index, COLUMNS)
            bottom = ((rows - row) * step - IMAGE_INCHES) / (rows * step)
            for place, image in enumerate((left[index], right[index])):
                start = column * (2 * IMAGE_INCHES + GAP_INCHES) + place * IMAGE_INCHES
                axes = figure.add_axes((start / width, bottom, IMAGE_INCHES / width, IMAGE_INCHES / (rows * step)))
                axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")  # (3, H, W) -> (H, W, 3)
                axes.axis("off")
                for line, text in enumerate(caption.split("\n") if place == 0 else []):
                    text = text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
                    weight = "normal" if line else "bold"
                    axes.annotate(
                        text, (0, -3 - 12 * line), xycoords="axes points", va="top", size=SMALL_SIZE, weight=weight
                    )
        if not len(left):
            frame.text(0, 0.5, "none", transform=frame.transAxes, color=MUTED)
    return figure


def _name(row: dict, end: str) -> str:
    """An image's file, of one's own images, else its id."""
    return Path(row[f"{end}file"]).name if f"{end}file" in row else str(row[f"{end}id"])
