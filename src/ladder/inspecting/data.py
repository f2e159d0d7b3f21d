"""What a split holds: images by class, their sizes before resizing, and what stands in it twice or nearly so."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ladder.core.artifacts.splits import PARTS
from ladder.core.types import Part, Split
from ladder.images import near_duplicates
from ladder.params import Data, Group, Inspect, Params

LISTED = 1000  # pairs in the table: across parts and with other labels first, then the closest


class Settings(Group):
    """All the params that the stage `inspect` depends on."""

    data: Data
    inspect: Inspect


def settings(p: Params) -> Settings:
    return Settings(data=p.data, inspect=p.inspect)


@dataclass(frozen=True)
class Duplicates:
    """What stands in a split of N images, those of PARTS in order, more than once.

    `exact`, `near`: bool (N, 3), whether another image in each of PARTS has the same pixels, or is a near-duplicate
    (equal ones are near, too). `conflicting`: bool (N,), whether a near-duplicate has another label. `pairs`: at most
    LISTED pairs of near-duplicates, columns as in `pairs.csv`.
    """

    part: np.ndarray
    exact: np.ndarray
    near: np.ndarray
    conflicting: np.ndarray
    pairs: pd.DataFrame

    def share(self, part: str, *others: str, exact: bool = False) -> float:
        """Share of a part's images that have a near-duplicate (or equal image) in any of the others; may be itself."""
        found = (self.exact if exact else self.near)[self.part == PARTS.index(part)]
        return float(found[:, [PARTS.index(other) for other in others]].any(axis=1).mean())


def images(split: Split) -> int:
    """The number of images in all parts."""
    return sum(map(len, _parts(split).values()))


def counts(split: Split) -> pd.DataFrame:
    """`counts.csv`: images of each class, by part."""
    columns = {name: np.bincount(part.labels, minlength=len(split.classes)) for name, part in _parts(split).items()}
    return pd.DataFrame({"class": split.classes, **columns})


def sizes(split: Split, found: np.ndarray) -> pd.DataFrame:
    """`sizes.csv`: a row per part with its images' sizes before resizing, in pixels.

    `sizes` is the number of different ones; `enlarged` counts images with a side below that of the split's images.

    Args:
        found: width and height by id, int (N, 2).
    """
    side, rows = split.train.images.shape[-1], []
    for name, part in _parts(split).items():
        stored = found[part.ids]
        row = {"part": name, "images": len(part), "sizes": len(np.unique(stored, axis=0))}
        for column, values in zip(("width", "height"), stored.T, strict=True):
            row |= {f"{column}_min": values.min(), f"{column}_median": np.median(values), f"{column}_max": values.max()}
        rows.append(row | {"enlarged": int((stored.min(axis=1) < side).sum())})
    return pd.DataFrame(rows)


def duplicates(split: Split, bounds: Inspect) -> Duplicates:
    """Find equal images and near-duplicates within and across the parts. Some 30 seconds for 60,000 images of 32 px."""
    parts = _parts(split)
    part = np.repeat(np.arange(len(PARTS)), [len(one) for one in parts.values()])
    labels, ids = (np.concatenate([getattr(one, field) for one in parts.values()]) for field in ("labels", "ids"))
    images = np.concatenate([one.images for one in parts.values()])
    exact = _equal(images, part)
    near = exact.copy()
    conflicting = np.zeros(len(part), bool)
    best = pd.DataFrame({"rank": [0], "difference": np.zeros(1, np.float32), "first": [0], "second": [0]}).head(0)
    found = near_duplicates.pairs(images.transpose(0, 2, 3, 1), bits=bounds.hash_bits, share=bounds.difference)
    for first, second, apart in found:
        near[first, part[second]] = near[second, part[first]] = True
        other = labels[first] != labels[second]
        conflicting[first[other]] = conflicting[second[other]] = True
        rank = (part[first] == part[second]).astype(int) - other
        more = pd.DataFrame({"rank": rank, "difference": apart, "first": first, "second": second})
        best = pd.concat([best, more]).sort_values([*best], kind="stable").head(LISTED)

    columns: dict = {}
    for end in ("first", "second"):
        at = best[end].to_numpy(int)
        columns |= {f"{end}_part": np.array(PARTS)[part[at]], f"{end}_id": ids[at]}
        columns |= {f"{end}_file": [split.files[number] for number in ids[at]]} if split.files else {}
        columns |= {f"{end}_class": np.array(split.classes, object)[labels[at]]}
    return Duplicates(part, exact, near, conflicting, pd.DataFrame(columns | {"difference": best["difference"]}))


def overlaps(found: Duplicates) -> pd.DataFrame:
    """`overlaps.csv`: for each part, how many of its images stand in each part again, equal and nearly so."""
    rows = []
    for number, name in enumerate(PARTS):
        mine = found.part == number
        for other, other_name in enumerate(PARTS):
            near = int(found.near[mine, other].sum())
            rows.append(
                {"part": name, "images": int(mine.sum()), "again_in": other_name}
                | {"exact": int(found.exact[mine, other].sum()), "near": near, "near_share": near / mine.sum()}
            )
    return pd.DataFrame(rows)


def headline(found: Duplicates) -> dict[str, float]:
    """`metrics/data.json`: shares of a part's images. `near` counts equal ones, too."""
    return {
        "test_exact_in_train": found.share("test", "train", exact=True),
        "test_near_in_train": found.share("test", "train"),
        "test_near_in_train_or_val": found.share("test", "train", "val"),
        "val_near_in_train": found.share("val", "train"),
        "train_near_within": found.share("train", "train"),
        "test_near_within": found.share("test", "test"),
        "near_with_other_label": float(found.conflicting.mean()),
    }


def across(found: Duplicates, split: Split, at_most: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The closest pairs across train and test, rows of `pairs`, with the training and the test images.

    Each test image stands there once, with its closest training image.
    """
    between = (found.pairs["first_part"] == "train") & (found.pairs["second_part"] == "test")
    rows = found.pairs[between].sort_values("difference", kind="stable").drop_duplicates("second_id").head(at_most)
    train, test = (
        part.images[pd.Index(part.ids).get_indexer(rows[f"{end}_id"])]
        for part, end in ((split.train, "first"), (split.test, "second"))
    )
    return rows, train, test


def _parts(split: Split) -> dict[str, Part]:
    return {name: getattr(split, name) for name in PARTS}


def _equal(images: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Whether another image in each part has the same pixels, bool (N, 3)."""
    numbers: dict[bytes, int] = {}
    group = np.array([numbers.setdefault(hashlib.sha256(image.tobytes()).digest(), len(numbers)) for image in images])
    members = np.bincount(group * len(PARTS) + part, minlength=len(numbers) * len(PARTS)).reshape(-1, len(PARTS))
    itself = np.eye(len(PARTS), dtype=int)[part]
    return members[group] - itself > 0
