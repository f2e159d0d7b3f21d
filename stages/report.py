"""Say what the ladder shows: metrics, Predictions and test images -> comparisons, pictures, report.md."""

from collections.abc import Mapping

import numpy as np

from ladder.core import runs
from ladder.core.artifacts import files, predictions, splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.core.types import Part, Predictions
from ladder.drawing import plots
from ladder.reporting import report
from ladder.scoring import ensembling, metrics

FOLDER = "plots/report"
PICTURES = [f"{FOLDER}/{name}.png" for name in ("ladder", "classes", "confused", "fixed", "broken")]
SHEET = 25


def main() -> None:
    answers = {name: f"predictions/{name}.npz" for name in report.LADDER}
    inputs = ["data/split/test.npz", *answers.values(), *(f"metrics/{name}.json" for name in report.LADDER)]
    outputs = ["metrics/report.json", "report.md", f"{FOLDER}/comparisons.csv", *PICTURES]
    with runs.stage("report", report.settings, inputs=inputs, outputs=outputs) as run:
        models = {name: predictions.load(path) for name, path in answers.items()}
        ensembling.require_same_images(models)
        test = splits.load_part("data/split", "test")
        if not np.array_equal(test.ids, models["train_aug"].test.ids):
            raise InputError(
                "data/split/test.npz holds other images than predictions/: `dvc repro report` remakes both"
            )
        measured = {name: metrics.load(name) for name in report.LADDER}

        compared = report.compare(models, run.params)
        metrics.save("report", report.headline(compared))
        files.write_csv(f"{FOLDER}/comparisons.csv", report.table(compared))
        with files.atomic("report.md") as temporary:
            text = report.text(models, measured, compared, run.params)
            temporary.write_text(text, encoding="utf-8", newline="\n")

        draw_scores(models, measured, run.params)
        draw_confused(models)
        draw_flipped("fixed", models, test, right="train_aug", wrong="train_noaug", seed=run.params.seed)
        draw_flipped("broken", models, test, right="train_noaug", wrong="train_aug", seed=run.params.seed)
    for step, result, _, verdict in compared:
        print(f"{step.first} - {step.second}: {100 * result.difference:+.2f} points, {verdict}")


def draw_scores(
    models: Mapping[str, Predictions], measured: Mapping[str, Mapping[str, float]], cfg: report.Settings
) -> None:
    names, classes = list(models), models["train_aug"].classes
    images = f"{len(models['train_aug'].test):,} test images"
    columns = [
        np.array([measured[name][key] for name in names]) for key in ("accuracy", "accuracy_low", "accuracy_high")
    ]
    title = f"Accuracy of every rung\nlines: {100 * cfg.evaluate.confidence:g}% intervals, {images}"
    plots.ladder(f"{FOLDER}/ladder.png", names, *columns, title)
    title = f"Accuracy by class\npercent of each class answered right, {images}"
    plots.class_accuracies(f"{FOLDER}/classes.png", report.class_accuracies(models), names, classes, title)


def draw_confused(models: Mapping[str, Predictions]) -> None:
    best = report.best_on_validation(models)
    shown = {name: models[name] for name in dict.fromkeys((report.LADDER[0], best))}
    pairs, counts = report.confused(shown, by=best)
    title = f"Most confused pairs of classes\nactual class → answer, the pairs that {best} confuses most"
    plots.confused_pairs(f"{FOLDER}/confused.png", pairs, counts, list(shown), title)


def draw_flipped(
    name: str, models: Mapping[str, Predictions], test: Part, *, right: str, wrong: str, seed: int
) -> None:
    """A contact sheet `name` of test images that only one of two models gets right, with the answers of both."""
    indices, total = report.only_right(models[right], models[wrong], seed, SHEET)
    named = np.array(models[right].classes)
    captions = [
        f"{truth}\nwithout: {before}\nwith: {after}"
        for truth, before, after in zip(
            named[test.labels[indices]],
            named[report.answers(models["train_noaug"])[indices]],
            named[report.answers(models["train_aug"])[indices]],
            strict=True,
        )
    ]
    shown = "All of them." if len(indices) == total else f"{len(indices)} of them, drawn at random."
    title = (
        f"Only {right} is right: {total:,} test images\n"
        f"{shown} Bold: the actual class; beneath: the answers without and with augmentation."
    )
    plots.contact_sheet(f"{FOLDER}/{name}.png", test.images[indices], captions, title)


if __name__ == "__main__":
    exit_on_input_error(main)
