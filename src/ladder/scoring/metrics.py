"""`metrics/<name>.json`: what `dvc metrics diff` compares. It takes floats only, and few enough for one screen."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ladder.core.artifacts import files, sealed

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
    """The content of `metrics/<name>.json`. Raises InputError unless it is what `save` writes."""
    path = Path(f"metrics/{name}.json")
    with sealed.reading(path, "metrics", "`dvc repro` makes it"):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not found:
            raise ValueError("expected an object of numbers")
        bad = {key: value for key, value in found.items() if type(value) is not float or not math.isfinite(value)}
        if bad:
            raise ValueError(f"expected finite floats, not {bad}")
        return found
