"""`metrics/<name>.json`: what `dvc metrics diff` compares. It takes floats only, and few enough for one screen."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ladder.core.artifacts import files
from ladder.core.errors import InputError

AT_MOST = 8


def save(name: str, scores: Mapping[str, float]) -> None:
    """Write `metrics/<name>.json`, flat, in the given order.

    Raises: ValueError for more than eight values, and for any that is no finite float (DVC drops lists, subtracts
        booleans, shows strings as unchanged and lets NaN pass).
    """
    if len(scores) > AT_MOST:
        raise ValueError(f"metrics/{name}.json: {len(scores)} values, at most {AT_MOST} fit one screen for all models")
    bad = {key: value for key, value in scores.items() if not isinstance(value, float) or not math.isfinite(value)}
    if bad:
        raise ValueError(f"metrics/{name}.json: expected finite floats, not {bad}")
    files.write_json(f"metrics/{name}.json", {key: float(value) for key, value in scores.items()})


def load(name: str) -> dict[str, float]:
    """The content of `metrics/<name>.json`. Raises InputError if it cannot be read."""
    path = Path(f"metrics/{name}.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): `dvc repro` makes it") from None
