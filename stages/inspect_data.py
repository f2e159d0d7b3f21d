"""What the data hold: the images' folder, Split -> counts, sizes, duplicates within and across the parts.

Not inspect.py: what lies beside a script is imported in place of the standard library's module of that name.
"""

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import files, splits
from ladder.core.errors import exit_on_input_error
from ladder.drawing import data_figures
from ladder.images import sizes
from ladder.inspecting import data
from ladder.scoring import metrics

FOLDER = "plots/data"
TABLES = [f"{FOLDER}/{name}.csv" for name in ("counts", "sizes", "overlaps", "pairs")]


def main() -> None:
    given = params.read().data
    inputs, picture = [given.path, "data/split"], f"{given.pictures}/data/near_duplicates.png"
    outputs = ["metrics/data.json", *TABLES, picture]
    with runs.stage("inspect", data.settings, inputs=inputs, outputs=outputs) as run:
        cfg, split = run.params, splits.load("data/split")
        found = data.duplicates(split, cfg.inspect)
        files.write_csv(f"{FOLDER}/counts.csv", data.counts(split))
        files.write_csv(f"{FOLDER}/sizes.csv", data.sizes(split, sizes.read(cfg.data, data.images(split))))
        files.write_csv(f"{FOLDER}/overlaps.csv", data.overlaps(found))
        files.write_csv(f"{FOLDER}/pairs.csv", found.pairs)
        headline = data.headline(found)
        metrics.save("data", headline)

        share = headline["test_near_in_train"]
        closest = data.across(found, split, data_figures.PAIRS_ON_A_SHEET)
        data_figures.near_duplicates(picture, *closest, share, len(split.test))
    print(
        f"inspect: {share:.1%} of {len(split.test):,} test images have a near-duplicate in train,"
        f" {headline['test_exact_in_train']:.1%} the same pixels"
    )


if __name__ == "__main__":
    exit_on_input_error(main)
