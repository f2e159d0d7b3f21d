"""Train the student with a teacher: Split, the teacher's Checkpoint -> Checkpoint, Predictions, history."""

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import checkpoints, splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.teaching import distillation
from ladder.training import devices, models, rungs

NAME = "distill"


def main() -> None:
    teacher_folder = f"models/{params.read().distill.teacher}"
    inputs = ["data/split", teacher_folder]
    with runs.stage(NAME, lambda p: p.rung(NAME), inputs=inputs, outputs=rungs.outputs(NAME)) as run:
        cfg, split = run.params, splits.load("data/split")
        teacher = models.restore(checkpoints.load(teacher_folder)).to(devices.select(cfg.hardware))
        if tuple(teacher.config["classes"]) != split.classes:
            raise InputError(f"{teacher_folder} knows other classes than data/split: run `dvc repro distill`")
        loss_fn = distillation.loss_from(
            teacher,
            temperature=cfg.distill.temperature,
            alpha=cfg.distill.alpha,
            label_smoothing=cfg.recipe.label_smoothing,
        )
        rungs.train(run, split, loss_fn)


if __name__ == "__main__":
    exit_on_input_error(main)
