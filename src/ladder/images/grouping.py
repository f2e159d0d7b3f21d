"""Which of one's own images stay on one side of a split: near-duplicates, and what `data.groups` names together."""

import re
from pathlib import PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ladder.core.errors import InputError
from ladder.core.types import Source
from ladder.images import near_duplicates
from ladder.params import Data

NAMED = 3  # files


def groups(source: Source, data: Data) -> np.ndarray:
    """The group of each image of an image folder, by id: int64 (N,), 0 to the number of groups.

    Raises: InputError for a `data.groups` that no file's name matches.
    """
    parts = [part for part in (source.train, source.val, source.test) if part is not None]
    images = np.concatenate([part.images for part in parts]).transpose(0, 2, 3, 1)
    near = near_duplicates.groups(images)
    return near if data.groups is None else _joined(near, named(source.files, data.groups))


def named(files: tuple[str, ...], pattern: str) -> np.ndarray:
    """What the pattern finds in each file's name, folders aside, as numbers: int64 (N,); by itself where it finds none.

    Raises: InputError where it finds nothing in any.
    """
    found = [re.search(pattern, PurePosixPath(file).name) for file in files]
    if not any(found):
        raise InputError(
            f"data.groups={pattern!r} is found in no file's name, such as {PurePosixPath(files[0]).name!r}"
        )
    keys = [(match[0], -1) if match else ("", index) for index, match in enumerate(found)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys])


def described(source: Source, group: np.ndarray) -> list[str]:
    """What there is to say of the groups: how many, the largest, and whether parts that the folder brings share any."""
    numbers, sizes = np.unique(group, return_counts=True)
    shared = sizes[sizes > 1]
    kept = "no two images stay together"
    if len(shared):
        largest = [source.files[index] for index in np.flatnonzero(group == numbers[sizes.argmax()])]
        named = ", ".join([*largest[:NAMED], *(["..."] if len(largest) > NAMED else [])])
        together = f"{shared.sum():,} images stay together in {len(shared):,} groups"
        kept = f"{together}, {len(largest):,} in the largest ({named})"
    lines = [f"near-duplicates and data.groups: {kept}"]
    trained = set(group[source.train.ids].tolist())
    for name, part in (("validation", source.val), ("test", source.test)):
        both = [source.files[index] for index in part.ids if group[index] in trained] if part is not None else []
        if both:
            lines.append(
                f"{len(both):,} {name} images of the folder belong together with training images ({both[0]}, ...):"
                " scores on them are too good; move them to one side"
            )
    return lines


def _joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Groups of what either puts together."""
    size = len(one)
    rows = np.concatenate([np.arange(size), np.arange(size)])
    columns = np.concatenate([one, size + other])  # an image is tied to its group in each
    edges = coo_array((np.ones(2 * size), (rows, columns)), shape=(2 * size + other.max() + 1,) * 2)
    return connected_components(edges, directed=False)[1][:size].astype(np.int64)
