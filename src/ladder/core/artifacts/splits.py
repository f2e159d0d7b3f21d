"""data/split/: {train,val,test}.npz and split.json, which has their digests."""

from pathlib import Path
from typing import Any

import numpy as np

from ladder.core.artifacts import files, sealed
from ladder.core.types import Part, Split

PARTS = ("train", "val", "test")
ABOUT = "split.json"
MAKES = "`dvc repro split` makes it"


def save(folder: str | Path, split: Split) -> None:
    folder = Path(folder)
    for name in PARTS:
        part = getattr(split, name)
        with files.atomic(folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, images=part.images, labels=part.labels, ids=part.ids)
    about = {name: getattr(split, name) for name in ("source", "digest", "classes", "mean", "std")}
    sealed.write_json(folder / ABOUT, about, {name: sealed.sha256(folder / f"{name}.npz") for name in PARTS})


def load(folder: str | Path) -> Split:
    """Raises InputError where the folder is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder, "split", MAKES):
        about, digests = sealed.read_json(folder / ABOUT)
        lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("classes", "mean", "std")}
        parts: dict[str, Any] = {name: _part(folder, name, digests) for name in PARTS}
        return Split(**parts, **lists, **about)


def load_part(folder: str | Path, name: str) -> Part:
    """One part alone. Raises InputError where it is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder / f"{name}.npz", "part of a split", MAKES):
        return _part(folder, name, sealed.read_json(folder / ABOUT)[1])


def _part(folder: Path, name: str, digests: dict[str, str]) -> Part:
    path = folder / f"{name}.npz"
    sealed.check(path, digests.get(name))
    with np.load(path, allow_pickle=False) as arrays:
        return Part(arrays["images"], arrays["labels"], arrays["ids"])
