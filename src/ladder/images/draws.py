"""A seeded, stratified draw from a part: single images, or whole groups of them."""

from fractions import Fraction

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from ladder.core.errors import InputError
from ladder.core.types import Part

FOLDS = 20  # at most, that groups are dealt into


def draw(
    part: Part,
    size: int | float,
    whole: int,
    key: str,
    classes: tuple[str, ...],
    seed: int,
    group: np.ndarray | None,
) -> tuple[Part, Part]:
    """The part without what is drawn, and what is drawn.

    Args:
        size: a number of images, or a share below 1 of `whole`.
        whole: number of images that shares are of.
        key: the name of `size` in params.yaml, for messages.
        group: int64, by id: images of one group stay together. The size is met exactly where all groups are single
            images, else as nearly as the groups allow.
    Raises: InputError, saying which sizes could be drawn, where a class would be missing from either side, or groups
        are so large that what is drawn would be off by more than half of the size.
    """
    number = round(size * whole) if size < 1 else int(size)
    grouped = group is not None and len(np.unique(group[part.ids])) < len(part)
    groups = group[part.ids] if group is not None and grouped else None
    drawn = _drawn(part.labels, number, len(classes), seed, groups)
    if drawn is not None:
        return part.take(~drawn), part.take(drawn)
    counts = np.bincount(part.labels, minlength=len(classes))
    rarest = counts.argmin()
    asked = f"{key}={size}" + (f", {number} images," if size < 1 else "")
    raise InputError(
        f"{asked} cannot be drawn from {len(part)} images of {len(classes)} classes (the rarest, {classes[rarest]}"
        f", has {counts[rarest]}): what is drawn and what is left each need at least one image of every class;"
        f" {_could(part.labels, classes, seed, groups)}"
    )


def _drawn(labels: np.ndarray, number: int, classes: int, seed: int, groups: np.ndarray | None) -> np.ndarray | None:
    """Which images are drawn, bool (N,); None where a class would be missing from a side, or groups are too large."""
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2 or not classes <= number <= len(labels) - classes:
        return None
    if groups is None:
        _, chosen = train_test_split(np.arange(len(labels)), test_size=number, stratify=labels, random_state=seed)
        drawn = np.isin(np.arange(len(labels)), chosen)
    else:
        drawn = _of_groups(labels, number, seed, groups)
    is_near = abs(drawn.sum() - number) <= number / 2  # always, of single images
    both = all(len(np.unique(labels[side])) == classes for side in (drawn, ~drawn))
    return drawn if both and is_near else None


def _of_groups(labels: np.ndarray, number: int, seed: int, groups: np.ndarray) -> np.ndarray:
    """Deal the groups into folds of alike classes, and take as many folds as come nearest to the number of images."""
    share = Fraction(number, len(labels)).limit_denominator(FOLDS)
    folds = max(2, min(share.denominator, len(np.unique(groups)), int(np.bincount(labels).max())))
    taken = min(max(1, round(folds * number / len(labels))), folds - 1)
    dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels, groups)
    drawn = np.zeros(len(labels), bool)
    for _, (_, fold) in zip(range(taken), dealt, strict=False):
        drawn[fold] = True
    return drawn


def _could(labels: np.ndarray, classes: tuple[str, ...], seed: int, groups: np.ndarray | None) -> str:
    """Which sizes could be drawn, in words."""
    counts = np.bincount(labels, minlength=len(classes))
    if groups is None and counts.min() >= 2:
        least = -(-len(labels) // counts.min())  # the rarest class gets one of so many, whatever the others get
        return f"any number from {least} to {len(labels) - least} could be drawn"
    steps = range(1, FOLDS) if groups is not None else range(0)
    numbers = [round(step * len(labels) / FOLDS) for step in steps]
    found = [number for number in numbers if _drawn(labels, number, len(classes), seed, groups) is not None]
    if found:
        return f"with groups kept together these could be drawn: {', '.join(map(str, dict.fromkeys(found)))}"
    if groups is None:
        return f"no number could: add images of {classes[counts.argmin()]}"
    within = [len(np.unique(groups[labels == label])) for label in range(len(classes))]
    fewest = int(np.argmin(within))
    return (
        f"no number could with groups kept together: {classes[fewest]} has {within[fewest]}"
        f" group{'s' * (within[fewest] != 1)} of images, add others"
    )
