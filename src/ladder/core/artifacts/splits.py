"""data/split/: a folder of arrays for each of train, val and test, and split.json, which has their digests.

Images are mapped, not read: processes that use the same split share one copy of it, which the system may drop and read
again. Whoever changes a file in place shows it to all of them; DVC never does.
"""

from pathlib import Path
from typing import Any

import numpy as np

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
            with files.atomic(folder / file) as temporary, temporary.open("wb") as opened:
                np.save(opened, getattr(getattr(split, part), name))
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


def _part(folder: Path, part: str, digests: dict[str, str]) -> Part:
    with sealed.reading(folder / part, "part of a split", MAKES):
        names = [f"{part}/{name}.npy" for name in ARRAYS]
        for name in names:
            sealed.check(folder / name, digests.get(name))
        images, labels, ids = (folder / name for name in names)
        return Part(np.load(images, mmap_mode="r"), np.load(labels), np.load(ids))
