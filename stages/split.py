"""Images -> Split: train, validation and test arrays."""

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import splits
from ladder.core.errors import exit_on_input_error
from ladder.images import sources
from ladder.images.split import split


def main() -> None:
    inputs = [params.read().data.path]
    with runs.stage("split", lambda p: p.data, inputs=inputs, outputs=["data/split"]) as run:
        made = split(sources.read(run.params), run.params)
        splits.save("data/split", made)
    sizes = f"{len(made.train):,} / {len(made.val):,} / {len(made.test):,}"
    print(f"split: {made.source}, {len(made.classes)} classes: {sizes} images to train, validate, test")


if __name__ == "__main__":
    exit_on_input_error(main)
