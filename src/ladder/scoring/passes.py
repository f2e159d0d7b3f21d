"""`predictions/mc_dropout/<model>.npz`: what the passes of Monte Carlo dropout answered. No pickle, no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladder.core.artifacts import files
from ladder.core.errors import InputError


@dataclass(frozen=True)
class Passes:
    """Log probabilities float32 (T, N, C) of T passes over the test images, their labels and ids int64 (N,)."""

    log_probabilities: np.ndarray
    labels: np.ndarray
    ids: np.ndarray


def save(path: str | Path, passes: Passes) -> None:
    """Write one archive of plain arrays; equal passes give equal bytes."""
    with files.atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, log_probabilities=passes.log_probabilities, labels=passes.labels, ids=passes.ids)


def load(path: str | Path) -> Passes:
    """Read what `save` wrote. Raises InputError for a file that is missing, damaged, or whose arrays do not fit."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            passes = Passes(archive["log_probabilities"], archive["labels"], archive["ids"])
    except Exception as error:  # whatever a damaged archive raises (a dozen types), it means the same
        raise InputError(f"{path} cannot be read ({error}): `dvc repro mc_dropout` makes it") from None
    shape = passes.log_probabilities.shape
    if len(shape) != 3 or passes.labels.shape != shape[1:2] or passes.ids.shape != shape[1:2]:
        raise InputError(f"{path} is damaged (passes {shape}, labels {passes.labels.shape}): `dvc repro mc_dropout`")
    return passes
