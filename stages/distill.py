"""Train the student with a teacher: Split, the teacher's Checkpoint -> Checkpoint, Predictions, history."""

from functools import partial

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import splits
from ladder.core.errors import exit_on_input_error
from ladder.teaching import distillation
from ladder.training import rungs

NAME = "distill"


def main() -> None:
    teacher = f"models/{params.read().distill.teacher}"
    inputs = [*rungs.inputs(NAME), teacher]
    with runs.stage(NAME, lambda p: p.rung(NAME), inputs=inputs, outputs=rungs.outputs(NAME)) as run:
        split = splits.load("data/split")
        rungs.train(run, split, partial(distillation.make_loss, NAME, teacher, run.params))


if __name__ == "__main__":
    exit_on_input_error(main)
