"""Train one rung: Split -> Checkpoint, Predictions, history."""

from ladder.core import runs
from ladder.core.artifacts import splits
from ladder.core.errors import exit_on_input_error
from ladder.training import rungs


def main(name: str) -> None:
    with runs.stage(name, lambda p: p.rung(name), inputs=rungs.inputs(name), outputs=rungs.outputs(name)) as run:
        rungs.train(run, splits.load("data/split"))


if __name__ == "__main__":
    exit_on_input_error(main)
