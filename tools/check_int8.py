"""Fail where static int8 costs more accuracy on the test images than `quantize.max_drop` allows: `make check`."""

import sys

from ladder import params
from ladder.core.errors import exit_on_input_error
from ladder.scoring import metrics

RUNGS = ("distill", "train_resnet")


def main() -> None:
    allowed = params.read().quantize.max_drop
    names = [f"{rung}_{precision}" for rung in RUNGS for precision in ("float", "static")]
    accuracy = {name: metrics.load(name)["accuracy"] for name in names}
    drops = {rung: accuracy[f"{rung}_float"] - accuracy[f"{rung}_static"] for rung in RUNGS}
    for rung, drop in drops.items():
        print(
            f"{rung}: float {accuracy[f'{rung}_float']:.2%}, static int8 {accuracy[f'{rung}_static']:.2%}:"
            f" {100 * drop:.2f} points lost, {100 * allowed:.2f} allowed"
        )
    if failed := [rung for rung, drop in drops.items() if drop > allowed]:
        sys.exit(f"check: int8 costs {' and '.join(failed)} more accuracy than quantize.max_drop={allowed}")


if __name__ == "__main__":
    exit_on_input_error(main)
