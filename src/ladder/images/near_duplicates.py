"""Images that show the same but for their encoding, size or a narrow margin: perceptual hashes, and groups by them.

Two images are near-duplicates if their hashes differ in at most BITS of 64 and what differs between their thumbnails is
small against what each shows: hashes alone take plain pictures for alike, such as two of a clear sky. Images of one
color show nothing, and are alike only if they are equal. The two bounds were set on crops of scikit-learn's
photographs: they join nine in ten copies that were saved as a poor JPEG, halved, or shifted by 2 % of their side, and
no pictures of different places. Mirrored, turned or strongly brightened copies are not found.
"""

from collections.abc import Iterator

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BITS = 8
SHARE = 0.35  # of the contrast
SIDE = 16  # of a thumbnail, pixels
_ROWS = 256  # of the table of all pairs that are compared at once; bounds memory


def hashes(images: np.ndarray) -> np.ndarray:
    """The perceptual hash of each image: uint64 (N,), to be compared by the number of bits that differ.

    Args:
        images: uint8 (N, H, W, 3), RGB.
    Source: ImageHash's `phash`, the signs of the lowest 8 x 8 frequencies (DCT) of a 32 x 32 gray image around their
        median; after N. Krawetz, "Looks Like It" (2011).
    """
    bits = np.array([imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images], bool).reshape(-1, 64)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def groups(images: np.ndarray, found: np.ndarray | None = None) -> np.ndarray:
    """The group of each image, int64 (N,): the place of its first member, so that a single image is its own group.

    Whoever is near a member belongs to the group: its ends may be further apart. Takes N^2 / 2 comparisons of hashes,
    some ten seconds for 60,000 images.

    Args:
        images: uint8 (N, H, W, 3), RGB.
        found: their `hashes`, where they are known.
    """
    if not len(images):
        return np.empty(0, np.int64)
    found = hashes(images) if found is None else found
    first, second, _ = (np.concatenate(ends) for ends in zip(*pairs(images, found), strict=True))
    edges = coo_array((np.ones(len(first)), (first, second)), shape=(len(found), len(found)))
    _, numbers = connected_components(edges, directed=False)
    _, firsts, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return firsts[inverse].astype(np.int64)


def pairs(
    images: np.ndarray, found: np.ndarray | None = None, *, bits: int = BITS, share: float = SHARE
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Places of near-duplicates, int64 (P,) the earlier and (P,) the later, and how far their thumbnails differ, (P,).

    Some rows of the table of all pairs at a time: images that are all alike have N^2 / 2 of them.

    Args:
        images, found: as in `groups`.
        bits, share: the bounds; differences are given as a share of the smaller contrast, 0 where they are equal.
    """
    found = hashes(images) if found is None else found
    small, contrast = _thumbnails(images)
    for start in range(0, len(found), _ROWS):
        differing = np.bitwise_count(found[start : start + _ROWS, None] ^ found[None, start:])
        first, second = np.nonzero(differing <= bits)
        first, second = first[second > first] + start, second[second > first] + start
        difference = np.sqrt(((small[first] - small[second]) ** 2).mean(axis=1))
        shown = np.minimum(contrast[first], contrast[second])
        near = difference <= share * shown
        relative = np.divide(difference, shown, out=np.zeros_like(difference), where=shown > 0)
        yield first[near], second[near], relative[near]


def _thumbnails(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 (N, 3 * SIDE^2), and the contrast of each: the deviation of its values within their color, (N,)."""
    small = np.array(
        [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)) for image in images], np.float32
    ).reshape(-1, SIDE * SIDE, 3)
    return small.reshape(len(small), -1), np.sqrt(small.var(axis=1).mean(axis=1))
