"""Which labels the ensemble's answers speak against: its Predictions, Split -> ranked table, contact sheet."""

import numpy as np

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import files, predictions, splits
from ladder.core.errors import exit_on_input_error
from ladder.drawing import data_figures
from ladder.inspecting import labels
from ladder.scoring import ensembling, metrics

ANSWERS = "predictions/voted/ensemble.npz"
FOLDER = "plots/labels"
OUTPUTS = ["metrics/labels.json", f"{FOLDER}/doubtful.csv"]


def main() -> None:
    picture = f"{params.read().data.pictures}/labels/doubtful.png"
    outputs = [*OUTPUTS, picture]
    with runs.stage("labels", labels.settings, inputs=["data/split", ANSWERS], outputs=outputs) as run:
        model = predictions.load(ANSWERS)
        parts = {name: splits.load_part("data/split", name) for name in labels.PARTS}
        ensembling.require_test_images({ANSWERS: model.test.ids}, parts["test"].ids)
        table = labels.ranked(model, splits.load_files("data/split"))
        metrics.save("labels", labels.headline(table))
        files.write_csv(f"{FOLDER}/doubtful.csv", table.head(run.params.listed))

        worst = table.head(data_figures.ON_A_SHEET)
        images = [parts[row.part].images[parts[row.part].ids == row.id][0] for row in worst.itertuples()]
        title = f"The {len(worst)} most doubtful of {len(table):,} labels\n{labels.described(table)}"
        data_figures.doubtful(picture, worst, np.stack(images), title)
    print(f"labels: {labels.described(table)}")


if __name__ == "__main__":
    exit_on_input_error(main)
