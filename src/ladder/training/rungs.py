"""One trained rung: Split -> Checkpoint, Predictions and history, written under the rung's name."""

from ladder.core.artifacts import checkpoints, predictions
from ladder.core.runs import Run
from ladder.core.types import Checkpoint, Logits, Predictions, Split
from ladder.params import Rung
from ladder.training import devices, loop, models
from ladder.training.resume import Session


def outputs(name: str) -> list[str]:
    return [f"models/{name}", f"predictions/{name}.npz"]


def train(run: Run[Rung], split: Split, loss_fn: loop.Loss | None = None) -> None:
    """Build, fit (resuming where an earlier run was killed), predict test once, and write the rung.

    Args:
        loss_fn: as for `loop.fit`.
    """
    cfg = run.params
    device = devices.select(cfg.hardware)
    model = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed, cfg.se)
    with run.state(devices.environment(device)) as folder:
        session = Session(run.name, folder, f"plots/{run.name}/history.csv")
        val = loop.fit(model, split.train, split.val, cfg, session, loss_fn)
        test = loop.predict(model, split.test, cfg.hardware.predict_batch_size)
        config = model.config | {"image_size": split.train.images.shape[-1]}  # what users' images are resized to
        checkpoints.save(f"models/{run.name}", Checkpoint(config, loop.cpu_copy(model)))
        answers = Predictions(
            val, Logits(test.numpy(), split.test.labels, split.test.ids), split.classes, provenance(model, split, cfg)
        )
        predictions.save(f"predictions/{run.name}.npz", answers)


def provenance(model: models.Classifier, split: Split, cfg: Rung) -> dict[str, str | int]:
    """Where a rung's predictions come from (see `types.Predictions`)."""
    return {
        "source": split.source,
        "source_digest": split.digest,
        "arch": cfg.recipe.arch,
        "parameters": models.parameter_count(model),
        "weights": model.config["weights"],
        "input_size": cfg.recipe.input_size,
        "epochs": cfg.recipe.epochs,
    }
