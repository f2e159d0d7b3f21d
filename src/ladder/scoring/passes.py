"""`predictions/mc_dropout/<model>.npz`: what the passes of Monte Carlo dropout answered. No pickle, no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladder.core.artifacts import sealed

ARRAYS = ("log_probabilities", "labels", "ids")


@dataclass(frozen=True)
class Passes:
    """Log probabilities float32 (T, N, C) of T passes over the test images, their labels and ids int64 (N,)."""

    log_probabilities: np.ndarray
    labels: np.ndarray
    ids: np.ndarray


def save(path: str | Path, passes: Passes) -> None:
    """Write one archive of plain arrays; equal passes give equal bytes."""
    sealed.write_npz(path, {name: getattr(passes, name) for name in ARRAYS})


def load(path: str | Path) -> Passes:
    """Read what `save` wrote. Raises InputError for a file that is missing, damaged, or whose arrays do not fit."""
    with sealed.reading(path, "dropout passes", "`dvc repro mc_dropout` makes it"):
        passes = Passes(**sealed.read_npz(path, ARRAYS))
        shape = passes.log_probabilities.shape
        if len(shape) != 3 or passes.labels.shape != shape[1:2] or passes.ids.shape != shape[1:2]:
            raise ValueError(f"passes {shape}, labels {passes.labels.shape}")
        return passes
