"""Source -> Split: seeded and stratified, with the statistics of what is trained on."""

import math

import numpy as np

from ladder.core.types import Source, Split
from ladder.images.draws import draw
from ladder.params import Data

_CHUNK = 1000  # images; np.bincount widens each pixel to 8 bytes


def split(source: Source, data: Data, group: np.ndarray | None = None) -> Split:
    """Draw the parts that the source does not bring, test first, from its training part.

    `data.test_size` and `data.val_size` are numbers of images, or shares of the training part as it comes; null where
    the source brings the part, which then is passed on as it is. Every class keeps its share; images stay in the order
    of their ids.

    Args:
        group: int64, by id: images of one group stay on one side, and sizes and shares are met as well as they allow.
    Raises: InputError for a size that leaves some part without an image of some class.
    """
    train, val, test, whole = source.train, source.val, source.test, len(source.train)
    if data.test_size is not None:
        train, test = draw(train, data.test_size, whole, "data.test_size", source.classes, data.split_seed, group)
    if data.val_size is not None:
        train, val = draw(train, data.val_size, whole, "data.val_size", source.classes, data.split_seed, group)
    assert val is not None, "sources.read has matched the source's parts with the params"
    assert test is not None, "sources.read and params.Data have matched them"
    mean, std = statistics(train.images)
    return Split(train, val, test, source.classes, mean, std, source.name, source.digest, data.fit, source.files)


def statistics(images: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation (of the population) of each channel's pixels, scaled to [0, 1].

    From exact integer sums, so that no order of adding shows in the result.

    Args:
        images: uint8 (N, 3, H, W).
    """
    red, green, blue = (_channel_statistics(images[:, channel]) for channel in range(3))
    return (red[0], green[0], blue[0]), (red[1], green[1], blue[1])


def _channel_statistics(pixels: np.ndarray) -> tuple[float, float]:
    counts = np.zeros(256, np.int64)
    for start in range(0, len(pixels), _CHUNK):
        counts += np.bincount(pixels[start : start + _CHUNK].ravel(), minlength=256)
    levels = list(enumerate(counts.tolist()))  # Python's integers: the products below overflow 64 bits
    number = sum(count for _, count in levels)
    total = sum(level * count for level, count in levels)
    squares = sum(level**2 * count for level, count in levels)
    return total / (255 * number), math.sqrt(number * squares - total**2) / (255 * number)
