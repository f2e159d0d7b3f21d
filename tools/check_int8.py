"""Fail where static int8 costs more accuracy on the test images than `quantize.max_drop` allows: `make check`."""

import json
import sys
from pathlib import Path

from ladder import params
from ladder.errors import InputError, exit_on_input_error

RUNGS = ("distill", "train_resnet")


def main() -> None:
    allowed = params.read().quantize.max_drop
    accuracy = {name: _accuracy(name) for rung in RUNGS for name in (f"{rung}_float", f"{rung}_static")}
    drops = {rung: accuracy[f"{rung}_float"] - accuracy[f"{rung}_static"] for rung in RUNGS}
    for rung, drop in drops.items():
        print(
            f"{rung}: float {accuracy[f'{rung}_float']:.2%}, static int8 {accuracy[f'{rung}_static']:.2%}:"
            f" {100 * drop:.2f} points lost, {100 * allowed:.2f} allowed"
        )
    if failed := [rung for rung, drop in drops.items() if drop > allowed]:
        sys.exit(f"check: int8 costs {' and '.join(failed)} more accuracy than quantize.max_drop={allowed}")


def _accuracy(name: str) -> float:
    path = Path("metrics") / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["accuracy"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} gives no accuracy ({type(error).__name__}): `dvc repro evaluate@{name}` makes it"
        ) from None


if __name__ == "__main__":
    exit_on_input_error(main)
