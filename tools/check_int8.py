"""Fail where static int8 costs more accuracy than `quantize.max_drop` allows: `make check`.

A model fails if it loses more than that, more than one test image, and more than chance explains: the paired interval
of the report's comparison excludes zero. Of few test images a single one may be a point.
"""

import csv
import sys
from pathlib import Path

from ladder import params
from ladder.core.errors import InputError, exit_on_input_error
from ladder.scoring import metrics

RUNGS = ("distill", "train_resnet")
COMPARISONS = Path("plots/report/comparisons.csv")
ROUNDING = 1e-9  # of what CSV files hold


def main() -> None:
    allowed, compared = params.read().quantize.max_drop, comparisons()
    failed = []
    for rung in RUNGS:
        accuracy = {kind: metrics.load(f"{rung}_{kind}")["accuracy"] for kind in ("float", "static")}
        found = compared[f"int8_{rung}"]
        drop, images, high = 0 - float(found["difference"]), int(found["images"]), float(found["high"])  # never -0.0
        print(
            f"{rung}: float {accuracy['float']:.2%}, static int8 {accuracy['static']:.2%} on {images:,} images:"
            f" {100 * drop:.2f} points lost (at least {0 - 100 * high:.2f}), {100 * allowed:.2f} allowed"
        )
        if drop > max(allowed, 1 / images) + ROUNDING and high < 0:
            failed.append(rung)
    if failed:
        sys.exit(f"check: int8 costs {' and '.join(failed)} more accuracy than quantize.max_drop={allowed}")


def comparisons() -> dict[str, dict[str, str]]:
    """The rows of the report's comparisons, by name. Raises InputError where they are missing."""
    try:
        with COMPARISONS.open(encoding="utf-8", newline="") as file:
            found = {row["name"]: row for row in csv.DictReader(file)}
        return {f"int8_{rung}": found[f"int8_{rung}"] for rung in RUNGS}
    except (OSError, KeyError) as error:
        raise InputError(f"{COMPARISONS} does not compare int8 with float ({error}): `dvc repro report` does") from None


if __name__ == "__main__":
    exit_on_input_error(main)
