"""One trained rung: Split -> Checkpoint, Predictions, history and a record of the machine, under the rung's name."""

from collections.abc import Callable
from pathlib import Path

from ladder import ladder_file
from ladder.core import memory
from ladder.core.artifacts import checkpoints, files, predictions, splits
from ladder.core.runs import Run
from ladder.core.types import Checkpoint, Logits, Predictions, Split
from ladder.params import Rung
from ladder.training import devices, distributed, loop, models, weights
from ladder.training.resume import Session


def inputs(name: str) -> list[str]:
    return ["data/split", weights.folder(name)]


def outputs(name: str) -> list[str]:
    return [f"models/{name}", f"plots/{name}/machine.csv", f"predictions/trained/{name}.npz"]


MakeLoss = Callable[[Split, Path], loop.Loss]  # the folder of the resume state


def train(run: Run[Rung], split: Split, make_loss: MakeLoss | None = None) -> None:
    """Build, fit (resuming where an earlier run was killed), predict test once, and write the rung.

    Args:
        make_loss: gives the loss of `loop.fit`; called in each process that trains, so it must be one to pickle.
    """
    cfg = run.params
    device = devices.select(cfg.hardware)
    model = build(run.name, split, cfg)
    with run.state(devices.environment(device)) as folder:
        if cfg.hardware.processes > 1:
            distributed.run(run.name, cfg.hardware.processes, advance, run.name, folder, cfg, make_loss)
        ours = session(run.name, folder)
        with ours.stoppable(), memory.lowering(needs(run.name, cfg)):
            val = loop.fit(model, split.train, split.val, cfg, ours, make_loss and make_loss(split, folder))
        test = loop.predict(model, split.test, cfg.hardware.predict_batch_size)
        config = model.config | splits.taken(split)  # what users' images are made
        checkpoints.save(f"models/{run.name}", Checkpoint(config, loop.cpu_copy(model)))
        answers = Predictions(
            val, Logits(test.numpy(), split.test.labels, split.test.ids), split.classes, provenance(model, split, cfg)
        )
        files.write_csv(f"plots/{run.name}/machine.csv", devices.machine(device))
        predictions.save(f"predictions/trained/{run.name}.npz", answers)


def advance(name: str, folder: Path, cfg: Rung, make_loss: MakeLoss | None) -> None:
    """Take a run's resume state to its last epoch, as one of several processes."""
    split = splits.load("data/split")
    loss_fn = make_loss and make_loss(split, folder)
    with memory.lowering(needs(name, cfg)):
        loop.advance(build(name, split, cfg), split.train, split.val, cfg, session(name, folder), loss_fn)


def needs(name: str, cfg: Rung) -> dict[str, int]:
    """The params that training takes its memory by: name -> value."""
    group = ladder_file.read().rungs[name].recipe
    return {f"{group}.batch_size": cfg.recipe.batch_size, f"{group}.input_size": cfg.recipe.input_size}


def build(name: str, split: Split, cfg: Rung) -> models.Classifier:
    pretrained = weights.read(name, cfg.recipe)
    return models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed, cfg.se, pretrained)


def session(name: str, folder: Path) -> Session:
    return Session(name, folder, f"plots/{name}/history.csv")


def provenance(model: models.Classifier, split: Split, cfg: Rung) -> dict[str, str | int]:
    """Where a rung's predictions come from (see `types.Predictions`)."""
    about = {
        "source": split.source,
        "source_digest": split.digest,
        "arch": cfg.recipe.arch,
        "parameters": models.parameter_count(model),
        "weights": model.config["weights"],
        "input_size": cfg.recipe.input_size,
        "epochs": cfg.recipe.epochs,
    }
    return about | {key: model.config[key] for key in ("weights_sha256",) if key in model.config}
