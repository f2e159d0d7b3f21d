"""Sizes of images as they are stored, before they are turned upright and resized."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ladder.images import folders, metadata
from ladder.params import Data

PUBLISHED = {"cifar10": 32, "cifar10_jpeg": 32, "digits": 8}  # pixels; their files are verified


def read(data: Data, images: int) -> np.ndarray:
    """Width and height of so many images by id, int64 (N, 2), from the headers of one's own files.

    Raises: InputError as `folders.find`.
    """
    if data.source in PUBLISHED:
        return np.full((images, 2), PUBLISHED[data.source])
    path = Path(data.path)
    layout = folders.find(path)
    place = {name: number for number, name in enumerate(layout.files)}
    found = np.empty((images, 2), np.int64)
    for name, content in folders.contents(path, layout):
        found[place[name]] = size(content)
    return found


def size(content: bytes) -> tuple[int, int]:
    """Width and height of an image file that `decode` reads, in pixels."""
    for known in (content, *metadata.without(content)):
        try:
            with Image.open(io.BytesIO(known)) as image:
                return image.size
        except Exception:  # as in `decode`: damaged metadata leads Pillow's readers into errors of a dozen types
            continue
    import pillow_heif  # rarely needed

    return pillow_heif.open_heif(io.BytesIO(content)).size
