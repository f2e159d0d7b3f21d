"""What there is to say of a folder of one's own images before anything is trained on it."""

from pathlib import Path

import numpy as np

from ladder.core.types import Part, Source
from ladder.images import decode, folders, grouping
from ladder.images.layouts import Layout
from ladder.images.names import padded, width

PAIRS = 5  # named


def described(path: Path, layout: Layout, source: Source, group: np.ndarray) -> list[str]:
    """Lines on counts by class, sizes in pixels, near-duplicates, and those of them whose labels differ.

    Args:
        source: what was read of `path`, laid out as `layout`.
        group: of `grouping.groups`.
    """
    parts = {"train": source.train, "val": source.val, "test": source.test}
    found = {name: part for name, part in parts.items() if part is not None}
    headings = ["images" if len(found) == 1 else name for name in found]
    rows = [["class", *headings]]
    counts = [np.bincount(part.labels, minlength=len(source.classes)) for part in found.values()]
    rows += [[name, *(f"{count[label]:,}" for count in counts)] for label, name in enumerate(source.classes)]
    rows.append(["all", *(f"{count.sum():,}" for count in counts)])
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(padded, row, widths)).rstrip() for row in rows]
    lines.append(_sizes(path, layout))
    lines += grouping.described(source, group)
    return lines + _in_two_classes(source, list(found.values()), group)


def _sizes(path: Path, layout: Layout) -> str:
    sides = np.array([decode.dimensions(content) for _, content in folders.contents(path, layout)])  # (N, 2)
    narrow, wide = np.argmin(sides.prod(axis=1)), np.argmax(sides.prod(axis=1))
    shown = [f"{sides[index][0]} x {sides[index][1]}" for index in (narrow, wide)]
    middle = np.median(sides, axis=0).astype(int)
    return f"pixels: from {shown[0]} to {shown[1]}, half of them below {middle[0]} wide or {middle[1]} high"


def _in_two_classes(source: Source, parts: list[Part], group: np.ndarray) -> list[str]:
    """Images that belong together and lie in two classes: one may be mislabelled, if no `data.groups` joins them."""
    labels, ids = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "ids"))
    by_id = labels[np.argsort(ids)]
    pairs = [(first, index) for index, first in enumerate(group) if by_id[first] != by_id[index]]
    if not pairs:
        return []
    shown = "; ".join(f"{source.files[first]} and {source.files[index]}" for first, index in pairs[:PAIRS])
    belong = f"{len(pairs):,} pairs belong" if len(pairs) > 1 else "two images belong"
    return [f"{belong} together and lie in two classes, look at them: {shown}"]
