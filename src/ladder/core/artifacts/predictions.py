"""`predictions/<name>.npz`: a model's answers, all that scores, ensembles and comparisons read. No pickle, no torch."""

import json
from pathlib import Path

import numpy as np

from ladder.core.artifacts import sealed
from ladder.core.types import Logits, Predictions

PARTS = ("val", "test")
FIELDS = ("logits", "labels", "ids")


def save(path: str | Path, predictions: Predictions) -> None:
    """Write one archive of plain arrays; equal predictions give equal bytes.

    Raises: ValueError for arrays that do not fit together, or a provenance that is no JSON.
    """
    if problem := _problem(predictions):
        raise ValueError(f"{path} was not written: {problem}")
    arrays = {f"{part}_{field}": getattr(getattr(predictions, part), field) for part in PARTS for field in FIELDS}
    about = {"classes": list(predictions.classes), "provenance": predictions.provenance}
    text = json.dumps(about, allow_nan=False, ensure_ascii=False)
    sealed.write_npz(path, {"about": np.array(text), **arrays})


def load(path: str | Path) -> Predictions:
    """Read what `save` wrote.

    Raises: InputError for a file that is missing, damaged, or whose arrays do not fit together.
    """
    makes = f"`dvc repro evaluate@{Path(path).stem}` makes it, and scores it"
    with sealed.reading(path, "predictions", makes):
        predictions = _read(path)
        if problem := _problem(predictions):
            raise ValueError(problem)
        return predictions


def _read(path: str | Path) -> Predictions:
    arrays = sealed.read_npz(path, ["about", *(f"{part}_{field}" for part in PARTS for field in FIELDS)])
    about = json.loads(arrays["about"].item())
    val, test = (Logits(*(arrays[f"{part}_{field}"] for field in FIELDS)) for part in PARTS)
    return Predictions(val=val, test=test, classes=tuple(about["classes"]), provenance=about["provenance"])


def _problem(predictions: Predictions) -> str | None:
    """What is wrong with the arrays, if anything: half an artifact must not become cached truth."""
    classes = len(predictions.classes)
    for name in PARTS:
        part: Logits = getattr(predictions, name)
        images = part.labels.size
        expected = {
            "logits": (np.float32, (images, classes)),
            "labels": (np.int64, (images,)),
            "ids": (np.int64, (images,)),
        }
        for field, (dtype, shape) in expected.items():
            array = getattr(part, field)
            if array.dtype != dtype or array.shape != shape:
                return f"{name} {field} are {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}"
        if images == 0:
            return f"{name} has no images"
        if not np.isfinite(part.logits).all():
            return f"{name} logits hold NaN or infinity"
        if part.labels.min() < 0 or part.labels.max() >= classes:
            return f"{name} labels go from {part.labels.min()} to {part.labels.max()}, expected 0 to {classes - 1}"
    return None
