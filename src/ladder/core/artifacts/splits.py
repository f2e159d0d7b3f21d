"""data/split/: {train,val,test}.npz and split.json."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ladder.core.artifacts import files
from ladder.core.errors import InputError
from ladder.core.types import Part, Split

PARTS = ("train", "val", "test")


def save(folder: str | Path, split: Split) -> None:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        part = getattr(split, name)
        with files.atomic(folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, images=part.images, labels=part.labels, ids=part.ids)
    about = {name: getattr(split, name) for name in ("source", "digest", "classes", "mean", "std")}
    files.write_json(folder / "split.json", about)


def load(folder: str | Path) -> Split:
    """Raises InputError where the folder is missing or damaged."""
    folder = Path(folder)
    try:
        about: dict[str, Any] = json.loads((folder / "split.json").read_text(encoding="utf-8"))
        parts: dict[str, Any] = {name: load_part(folder, name) for name in PARTS}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no split ({error}): `dvc repro split` makes it") from None
    lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("classes", "mean", "std")}
    return Split(**parts, **lists, **about)


def load_part(folder: str | Path, name: str) -> Part:
    """One part alone. Raises InputError where it is missing or damaged."""
    path = Path(folder) / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Part(arrays["images"], arrays["labels"], arrays["ids"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds no part of a split ({error}): `dvc repro split` makes it") from None
