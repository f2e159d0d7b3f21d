"""Monte Carlo dropout: Checkpoints of the student and of another rung, test images -> what several passes answer.

Dropout sits in the heads alone: see `ladder.deploy.mc_dropout` for what it cannot show.
"""

from ladder import params
from ladder.core import memory, runs
from ladder.core.artifacts import checkpoints, splits
from ladder.core.errors import exit_on_input_error
from ladder.deploy import mc_dropout
from ladder.scoring import passes
from ladder.scoring.passes import Passes
from ladder.training import devices, models

STUDENT = "distill"
OUTPUT = "predictions/mc_dropout"


def main() -> None:
    names = (STUDENT, params.read().uncertainty.teacher)
    inputs = ["data/split", *(f"models/{name}" for name in names)]
    with runs.stage("mc_dropout", lambda p: p.monte_carlo(), inputs=inputs, outputs=[OUTPUT]) as run:
        cfg, test = run.params, splits.load_part("data/split", "test")
        device = devices.select(cfg.hardware)
        for name in names:
            model = models.restore(checkpoints.load(f"models/{name}")).to(device)
            batch_size = cfg.hardware.predict_batch_size
            with memory.lowering({"hardware.predict_batch_size": batch_size}):
                sampled = mc_dropout.mc_dropout(
                    model, test.images, passes=cfg.passes, seed=cfg.seed, batch_size=batch_size, name=name
                )
            passes.save(f"{OUTPUT}/{name}.npz", Passes(sampled, test.labels, test.ids))
    print(f"mc_dropout: {cfg.passes} passes each of {' and '.join(names)} over {len(test):,} test images")


if __name__ == "__main__":
    exit_on_input_error(main)
