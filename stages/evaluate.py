"""Score one model on the test images: Predictions -> metrics, confusion matrix, table of classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from ladder.core import runs
from ladder.core.artifacts import files, predictions
from ladder.core.errors import exit_on_input_error
from ladder.drawing import plots
from ladder.scoring import metrics, scores


def main(answered: str) -> None:
    answers, name = f"predictions/{answered}.npz", Path(answered).name
    folder = f"plots/{name}"
    outputs = [
        f"metrics/{name}.json",
        f"{folder}/confusion.csv",
        f"{folder}/confusion.png",
        f"{folder}/classes.csv",
    ]
    with runs.stage(f"evaluate@{name}", lambda p: p.evaluate, inputs=[answers], outputs=outputs) as run:
        read = predictions.load(answers)
        logits, labels, classes = read.test.logits, read.test.labels, read.classes
        headline = scores.headline(read, run.params)
        metrics.save(name, headline)

        counts = scores.confusion(logits, labels)
        files.write_csv(f"{folder}/confusion.csv", pairs(counts, classes))
        interval = describe_interval(headline, run.params.confidence)
        title = f"{name}: {headline['accuracy']:.2%} accurate\n{interval}, {len(labels):,} test images"
        plots.confusion(f"{folder}/confusion.png", counts, classes, title)

        by_class = scores.per_class(logits, labels, run.params.confidence)
        files.write_csv(f"{folder}/classes.csv", pd.DataFrame({"class": classes, **by_class}))
    print(f"{name}: accuracy {headline['accuracy']:.2%} ({interval}) on {len(labels):,} test images")


def pairs(counts: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Rows `actual, predicted, count`, one per pair of classes, zeros included: the template draws what it is given."""
    count = len(classes)
    return pd.DataFrame(
        {"actual": np.repeat(classes, count), "predicted": np.tile(classes, count), "count": counts.ravel()}
    )


def describe_interval(headline: dict[str, float], confidence: float) -> str:
    low, high = 100 * headline["accuracy_low"], 100 * headline["accuracy_high"]
    return f"{100 * confidence:g}% interval {low:.2f} to {high:.2f}%"


if __name__ == "__main__":
    exit_on_input_error(main)
