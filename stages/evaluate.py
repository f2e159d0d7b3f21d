"""Score one model on the test images: Predictions -> metrics, confusion matrix, table of classes."""

from pathlib import Path

import pandas as pd

from ladder.core import runs
from ladder.core.artifacts import files, predictions
from ladder.core.errors import exit_on_input_error
from ladder.drawing import plots
from ladder.scoring import metrics, scores, tables


def main(answered: str) -> None:
    answers, name = f"predictions/{answered}.npz", Path(answered).name
    folder = f"plots/{name}"
    outputs = [
        f"metrics/{name}.json",
        f"{folder}/confusion.csv",
        f"{folder}/confusion.png",
        f"{folder}/classes.csv",
    ]
    with runs.stage(f"evaluate@{name}", lambda p: p.scoring(), inputs=[answers], outputs=outputs) as run:
        read = predictions.load(answers)
        logits, labels, classes = read.test.logits, read.test.labels, read.classes
        headline = scores.headline(read, run.params)
        metrics.save(name, headline)

        counts = scores.confusion(logits, labels)
        files.write_csv(f"{folder}/confusion.csv", tables.pairs(counts, classes))
        interval = tables.interval(headline, run.params.confidence)
        title = f"{name}: {headline['accuracy']:.2%} accurate\n{interval}, {len(labels):,} test images"
        plots.confusion(f"{folder}/confusion.png", counts, classes, title)

        by_class = scores.per_class(logits, labels, run.params.confidence)
        files.write_csv(f"{folder}/classes.csv", pd.DataFrame({"class": classes, **by_class}))
    print(f"{name}: accuracy {headline['accuracy']:.2%} ({interval}) on {len(labels):,} test images")


if __name__ == "__main__":
    exit_on_input_error(main)
