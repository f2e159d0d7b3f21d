"""Say what the ladder shows: metrics, Predictions and test images -> comparisons, pictures, report.md and a page."""

import numpy as np

from ladder import ladder_file, params
from ladder.core import runs
from ladder.core.artifacts import files, predictions, splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.drawing import fonts, ladder_plots
from ladder.reporting import data, markdown, report, seeds
from ladder.scoring import ensembling, ladder, metrics, scores

FOLDER = "plots/report"
PICTURES = [f"{FOLDER}/{name}.png" for name in ("ladder", "classes", "confused")]
OUTPUTS = ["metrics/report.json", "report.md", f"{FOLDER}/comparisons.csv", *PICTURES]


def main() -> None:
    every = ladder_file.read()
    answers = every.answers()
    asked = params.read()
    inputs = ["ladder.yaml", "data/split/test", "data/split/split.json", *answers.values(), markdown.TEMPLATES]
    inputs += [seeds.FOLDER, report.DOUBTS, data.OVERLAPS, data.CORRUPTED, *report.shown(asked.data.pictures)]
    fixed, broken = (f"{asked.data.pictures}/report/{name}.png" for name in ("fixed", "broken"))
    outputs = [asked.report.page, *OUTPUTS, fixed, broken]
    with runs.stage("report", report.settings, inputs=inputs, outputs=outputs) as run:
        models = {name: predictions.load(path) for name, path in answers.items()}
        ensembling.require_same_images(models)
        test = splits.load_part("data/split", "test")
        if not np.array_equal(test.ids, next(iter(models.values())).test.ids):
            raise InputError("data/split/test holds other images than predictions/: `dvc repro report` remakes both")
        cfg, seed = run.params, run.params.seed
        measured = {name: scores.headline(found, cfg.evaluate) for name, found in models.items()}

        compared = ladder.compare(
            models, confidence=cfg.report.confidence, samples=cfg.report.bootstrap_samples, seed=seed
        )
        augmented = [name for name, rung in every.rungs.items() if "aug" in rung.reads]
        metrics.save("report", ladder.headline(compared))
        files.write_csv(f"{FOLDER}/comparisons.csv", ladder.table(compared))

        ladder_plots.accuracies(f"{FOLDER}/ladder.png", models, measured, cfg.evaluate.confidence)
        ladder_plots.classes(f"{FOLDER}/classes.png", models)
        ladder_plots.confused(f"{FOLDER}/confused.png", models)
        named = splits.load_files("data/split")
        ladder_plots.flipped(fixed, models, test, named, right=ladder_plots.AUGMENTED, seed=seed)
        ladder_plots.flipped(broken, models, test, named, right=ladder_plots.PLAIN, seed=seed)
        values = report.values(models, measured, compared, cfg, augmented, seeds.text(cfg.data.source))
        markdown.write("report.md", report.text(values))
        markdown.write(cfg.report.page, report.html(values, models))
    if lacking := fonts.hint(next(iter(models.values())).classes):
        print(f"report: {lacking}")
    for step, result, _, verdict in compared:
        print(f"{step.first} - {step.second}: {100 * result.difference:+.2f} points, {verdict}")


if __name__ == "__main__":
    exit_on_input_error(main)
