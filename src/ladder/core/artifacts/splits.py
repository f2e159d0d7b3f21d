"""data/split/: a folder of arrays for each of train, val and test, and split.json, which has their digests.

Images are mapped, not read: processes that use the same split share one copy of it, which the system may drop and read
again. Whoever changes a file in place shows it to all of them; DVC never does.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ladder.core.artifacts import files, sealed
from ladder.core.types import Part, Split

PARTS = ("train", "val", "test")
ARRAYS = ("images", "labels", "ids")
ABOUT = "split.json"
MAKES = "`dvc repro split` makes it"


def save(folder: str | Path, split: Split) -> None:
    folder = Path(folder)
    digests = {}
    for part in PARTS:
        for name in ARRAYS:
            file = f"{part}/{name}.npy"
            _write(folder / file, np.ascontiguousarray(getattr(getattr(split, part), name)))
            digests[file] = sealed.sha256(folder / file)
    about = {name: getattr(split, name) for name in ("source", "digest", "classes", "mean", "std")}
    sealed.write_json(folder / ABOUT, about, digests)


def load(folder: str | Path) -> Split:
    """The split, its images read-only. Raises InputError where the folder is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder, "split", MAKES):
        about, digests = sealed.read_json(folder / ABOUT)
        lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("classes", "mean", "std")}
        parts: dict[str, Any] = {name: _part(folder, name, digests) for name in PARTS}
        return Split(**parts, **lists, **about)


def load_part(folder: str | Path, name: str) -> Part:
    """One part alone, its images read-only. Raises InputError where it is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder, "split", MAKES):
        return _part(folder, name, sealed.read_json(folder / ABOUT)[1])


def _write(path: Path, array: np.ndarray) -> None:
    """As np.save, which of a full disk does not say that it is full."""
    with files.atomic(path) as temporary, temporary.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        file.write(array.data)


def _part(folder: Path, part: str, digests: dict[str, str]) -> Part:
    with sealed.reading(folder / part, "part of a split", MAKES):
        names = [f"{part}/{name}.npy" for name in ARRAYS]
        for name in names:
            sealed.check(folder / name, digests.get(name))
        images, labels, ids = (folder / name for name in names)
        return Part(np.load(images, mmap_mode="r"), np.load(labels), np.load(ids))
