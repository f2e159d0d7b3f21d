"""Images -> Split: train, validation and test arrays."""

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import splits
from ladder.core.errors import exit_on_input_error
from ladder.images import grouping, sources
from ladder.images.split import split


def main() -> None:
    inputs = [params.read().data.path]
    with runs.stage("split", lambda p: p.data, inputs=inputs, outputs=["data/split"]) as run:
        source = sources.read(run.params)
        group = grouping.groups(source, run.params) if source.files else None
        made = split(source, run.params, group)
        splits.save("data/split", made)
    sizes = f"{len(made.train):,} / {len(made.val):,} / {len(made.test):,}"
    print(f"split: {made.source}, {len(made.classes)} classes: {sizes} images to train, validate, test")
    if group is not None:
        print("\n".join(f"split: {line}" for line in grouping.described(source, group)))


if __name__ == "__main__":
    exit_on_input_error(main)
