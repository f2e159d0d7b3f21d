"""The report's pictures: what the models of the ladder score, what they confuse, and which images one of two gets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ladder.core.types import Part, Predictions
from ladder.drawing import plots
from ladder.scoring import ladder

AUGMENTED, PLAIN = "train_aug", "train_noaug"  # the two that contact sheets set side by side
ON_A_SHEET = 25


def accuracies(
    path: str | Path, models: Mapping[str, Predictions], measured: Mapping[str, Mapping[str, float]], confidence: float
) -> None:
    """Draw the accuracy of every model with its interval.

    Args:
        models: name -> answers, in the order of the ladder.
        measured: name -> the content of its metrics file.
        confidence: of the intervals, a fraction.
    """
    accuracy, low, high = (
        np.array([measured[name][key] for name in models]) for key in ("accuracy", "accuracy_low", "accuracy_high")
    )
    title = f"Accuracy of every rung\nlines: {100 * confidence:g}% intervals, {_images(models)}"
    plots.ladder(path, list(models), accuracy, low, high, title)


def classes(path: str | Path, models: Mapping[str, Predictions]) -> None:
    """Draw the accuracy of every model on each class."""
    named = next(iter(models.values())).classes
    title = f"Accuracy by class\npercent of each class answered right, {_images(models)}"
    plots.class_accuracies(path, ladder.class_accuracies(models), list(models), named, title)


def confused(path: str | Path, models: Mapping[str, Predictions]) -> None:
    """Draw the pairs of classes that the best model confuses most, beside the first model of the ladder."""
    best = ladder.best_on_validation(models)
    shown = {name: models[name] for name in dict.fromkeys((next(iter(models)), best))}
    pairs, counts = ladder.confused(shown, by=best)
    title = f"Most confused pairs of classes\nactual class → answer, the pairs that {best} confuses most"
    plots.confused_pairs(path, pairs, counts, list(shown), title)


def flipped(
    path: str | Path, models: Mapping[str, Predictions], test: Part, files: Sequence[str], *, right: str, seed: int
) -> None:
    """Draw test images that only one of AUGMENTED and PLAIN gets right, with the answers of both.

    Args:
        test: the images that the models answered on.
        files: their names by id, if they have any.
        right: which of the two is the right one.
        seed: of the draw, where there are more than a sheet holds.
    """
    wrong = PLAIN if right == AUGMENTED else AUGMENTED
    indices, total = ladder.only_right(models[right], models[wrong], seed, ON_A_SHEET)
    named = np.array(models[right].classes)
    captions = [
        f"{truth}\nwithout: {before}\nwith: {after}{plots.file_line(files, index)}"
        for index, truth, before, after in zip(
            test.ids[indices],
            named[test.labels[indices]],
            named[ladder.answers(models[PLAIN])[indices]],
            named[ladder.answers(models[AUGMENTED])[indices]],
            strict=True,
        )
    ]
    shown = "All of them." if len(indices) == total else f"{len(indices)} of them, drawn at random."
    title = (
        f"Only {right} is right: {total:,} test images\n"
        f"{shown} Bold: the actual class; beneath: the answers without and with augmentation."
    )
    plots.contact_sheet(path, test.images[indices], captions, title)


def _images(models: Mapping[str, Predictions]) -> str:
    return f"{len(next(iter(models.values())).test):,} test images"
