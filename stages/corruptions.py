"""What corruptions cost: the rungs' Checkpoints, test images -> accuracy of each under each. Never used to choose."""

import torch
from tqdm import tqdm

from ladder import ladder_file
from ladder.core import runs
from ladder.core.artifacts import checkpoints, files, splits
from ladder.core.errors import exit_on_input_error
from ladder.core.types import Part
from ladder.drawing import data_figures
from ladder.inspecting import corruptions
from ladder.scoring import metrics
from ladder.training import devices, loop, models

FOLDER = "plots/corruptions"
OUTPUTS = ["metrics/corruptions.json", f"{FOLDER}/accuracies.csv", f"{FOLDER}/accuracies.png"]


def main() -> None:
    rungs = ladder_file.read().rungs
    inputs = ["ladder.yaml", "data/split", *(f"models/{rung}" for rung in rungs)]
    with runs.stage("corruptions", corruptions.settings, inputs=inputs, outputs=OUTPUTS) as run:
        cfg, test = run.params, splits.load_part("data/split", "test")
        device, batch = devices.select(cfg.hardware), cfg.hardware.predict_batch_size
        part = test.take(corruptions.drawn(len(test), cfg.corruptions.images, cfg.seed))
        restored = {rung: models.restore(checkpoints.load(f"models/{rung}")).to(device) for rung in rungs}
        trained = {rung: model.to(memory_format=torch.channels_last) for rung, model in restored.items()}  # as trained
        correct: dict = {rung: {} for rung in rungs}
        for how in tqdm(list(corruptions.grid(cfg.corruptions)), "corruptions", disable=None):  # None: on a terminal
            seen = Part(corruptions.corrupt(part.images, *how, cfg.seed), part.labels, part.ids)
            for rung, model in trained.items():
                correct[rung][how] = loop.predict(model, seen, batch).numpy().argmax(axis=1) == part.labels

        table = corruptions.table(correct, cfg.confidence)
        headline = corruptions.headline(correct, cfg.confidence)
        files.write_csv(f"{FOLDER}/accuracies.csv", table)
        metrics.save("corruptions", headline)
        title = f"Accuracy under corruptions\n{corruptions.described(headline, len(part), cfg.confidence)}"
        data_figures.corrupted(f"{FOLDER}/accuracies.png", table, title)
    print(corruptions.described(headline, len(part), cfg.confidence))


if __name__ == "__main__":
    exit_on_input_error(main)
