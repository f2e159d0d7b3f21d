"""The machines that trained rungs were made on, as `plots/<rung>/machine.csv` records them."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ladder.verifying.outputs import RECORD

Machine = dict[str, str]  # what -> value


def records(outputs: Iterable[str]) -> list[str]:
    """The paths among outputs that tell of a machine."""
    return [path for path in outputs if Path(path).name == RECORD]


def read(text: str) -> Machine:
    """What a record says. Empty for a text that is none."""
    return {row["what"]: row["value"] for row in csv.DictReader(io.StringIO(text)) if row.keys() == {"what", "value"}}


def differences(first: Machine, second: Machine) -> list[str]:
    """What the two differ in, in words."""
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return [f"{key} {first.get(key, 'not recorded')} first, {second.get(key, 'not recorded')} second" for key in keys]
