"""data/split/: {train,val,test}.npz and split.json, which has their digests; files.json, names of one's own images."""

from pathlib import Path
from typing import Any

import numpy as np

from ladder.core.artifacts import files, sealed
from ladder.core.types import SQUASH, Part, Split

PARTS = ("train", "val", "test")
ABOUT, FILES = "split.json", "files.json"
MAKES = "`dvc repro split` makes it"


def save(folder: str | Path, split: Split) -> None:
    folder = Path(folder)
    for name in PARTS:
        part = getattr(split, name)
        with files.atomic(folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, images=part.images, labels=part.labels, ids=part.ids)
    about = {name: getattr(split, name) for name in ("source", "digest", "classes", "mean", "std")} | _fitted(split)
    digests = {name: sealed.sha256(folder / f"{name}.npz") for name in PARTS}
    if split.files:
        sealed.write_json(folder / FILES, {"files": list(split.files)}, {})
        digests[FILES] = sealed.sha256(folder / FILES)
    sealed.write_json(folder / ABOUT, about, digests)


def load(folder: str | Path) -> Split:
    """Raises InputError where the folder is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder, "split", MAKES):
        about, digests = sealed.read_json(folder / ABOUT)
        lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("classes", "mean", "std")}
        parts: dict[str, Any] = {name: _part(folder, name, digests) for name in PARTS}
        return Split(**parts, **lists, **about, files=_files(folder, digests))


def load_part(folder: str | Path, name: str) -> Part:
    """One part alone. Raises InputError where it is missing or damaged."""
    folder = Path(folder)
    with sealed.reading(folder / f"{name}.npz", "part of a split", MAKES):
        return _part(folder, name, sealed.read_json(folder / ABOUT)[1])


def taken(split: Split) -> dict[str, Any]:
    """What a model trained on it says of the images that it takes: `image_size` (pixels), and `fit` if not squashed."""
    return {"image_size": split.train.images.shape[-1], **_fitted(split)}


def _fitted(split: Split) -> dict[str, str]:
    """Nothing where images are squashed, so that files say what they said before there was a choice."""
    return {} if split.fit == SQUASH else {"fit": split.fit}


def load_files(folder: str | Path) -> tuple[str, ...]:
    """Names of one's own images, by id; none for a published source. Raises InputError where they are damaged."""
    folder = Path(folder)
    with sealed.reading(folder, "split", MAKES):
        return _files(folder, sealed.read_json(folder / ABOUT)[1])


def _files(folder: Path, digests: dict[str, str]) -> tuple[str, ...]:
    if FILES not in digests:
        return ()
    sealed.check(folder / FILES, digests[FILES])
    return tuple(sealed.read_json(folder / FILES)[0]["files"])


def _part(folder: Path, name: str, digests: dict[str, str]) -> Part:
    path = folder / f"{name}.npz"
    sealed.check(path, digests.get(name))
    with np.load(path, allow_pickle=False) as arrays:
        return Part(arrays["images"], arrays["labels"], arrays["ids"])
