"""Train one rung: Split -> Checkpoint, Predictions, history."""

from ladder import devices, models, runs, training
from ladder.artifacts import checkpoints, predictions, splits
from ladder.errors import exit_on_input_error
from ladder.resume import Session
from ladder.types import Checkpoint, Logits, Predictions


def main(rung: str) -> None:
    outputs = [f"models/{rung}", f"predictions/{rung}.npz"]
    with runs.stage(rung, lambda p: p.rung(rung), inputs=["data/split"], outputs=outputs) as run:
        cfg = run.params
        device = devices.select(cfg.hardware)
        split = splits.load("data/split")
        model = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed)
        with run.state(devices.environment(device)) as state:
            session = Session(rung, state, f"plots/{rung}/history.csv")
            val = training.fit(model, split.train, split.val, cfg, session)
            test = training.predict(model, split.test, cfg.hardware.predict_batch_size)
            best = Checkpoint(model.config, training.cpu_copy(model))
            provenance = {
                "source": split.source,
                "source_digest": split.digest,
                "arch": cfg.recipe.arch,
                "parameters": models.parameter_count(model),
                "weights": model.config["weights"],
                "input_size": cfg.recipe.input_size,
                "epochs": cfg.recipe.epochs,
            }
            checkpoints.save(f"models/{rung}", best)
            answers = Predictions(
                val, Logits(test.numpy(), split.test.labels, split.test.ids), split.classes, provenance
            )
            predictions.save(f"predictions/{rung}.npz", answers)


if __name__ == "__main__":
    exit_on_input_error(main)
