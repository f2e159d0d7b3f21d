"""The image source that `data` names -> Source: cifar10 | cifar10_jpeg | image_folder | digits."""

import hashlib
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from PIL import Image

from ladder.core.artifacts import sealed
from ladder.core.errors import InputError
from ladder.core.types import Part, Source
from ladder.images import archives, canonical, decode, folders
from ladder.images.published import CIFAR10_SHA256, DIGIT_LABELS, DIGITS, META, TEST_BATCH, TRAIN_BATCHES
from ladder.params import Data

_PICKLED = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": _reconstruct}


def read(data: Data) -> Source:
    """Read the source that `data` names: the canonical file in `data.path`, or one's own images there.

    Returns: images uint8 (N, 3, S, S), S = data.image_size. Ids count from 0 through train, val and test, in the
    source's own order (files: sorted by class, then by name). `val` is None for all but an image folder that has one,
    `test` for digits.
    Raises: InputError for data that is missing, damaged or laid out otherwise than expected, and for a `data.val_size`
    that does not go with the image folder.
    """
    readers: dict[str, Callable[[Data, Path], Source]] = {
        "cifar10": _cifar10,
        "cifar10_jpeg": folders.read,
        "digits": _digits,
    }
    if data.source == "image_folder":
        return folders.read(data, Path(data.path))
    path = Path(data.path) / canonical.NAME
    with sealed.reading(path, f"images of {data.source}", "`dvc repro images` makes it"):
        sealed.check_zip(path)
        return readers[data.source](data, path)


def _cifar10(data: Data, path: Path) -> Source:
    """The official images, in the official order: data_batch_1 to 5, test_batch."""
    batches: dict[str, Any] = {
        name: content.decode() if name == CIFAR10_SHA256 else _unpickle(path, content)
        for name, content in _contents(path)
    }
    pixels = np.concatenate([batches[name][b"data"] for name in (*TRAIN_BATCHES, TEST_BATCH)])
    labels = np.concatenate([batches[name][b"labels"] for name in (*TRAIN_BATCHES, TEST_BATCH)]).astype(np.int64)
    every = Part(pixels.reshape(-1, 3, 32, 32), labels, np.arange(len(labels)))
    classes = tuple(name.decode() for name in batches[META][b"label_names"])
    train_size = len(every) - len(batches[TEST_BATCH][b"labels"])
    train, test = every.take(slice(train_size)), every.take(slice(train_size, None))
    return Source("cifar10", batches[CIFAR10_SHA256], classes, train, None, test)


def _digits(data: Data, path: Path) -> Source:
    """scikit-learn's 1,797 handwritten digits, 8x8 in 17 levels of gray; one part."""
    contents = dict(_contents(path))
    grays, labels = (np.load(io.BytesIO(contents[name]), allow_pickle=False) for name in (DIGITS, DIGIT_LABELS))
    fitted = [decode.fit(Image.fromarray(gray).convert("RGB"), data.image_size) for gray in grays]
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image in fitted])
    digest = hashlib.sha256(grays.tobytes() + labels.tobytes()).hexdigest()
    train = Part(pixels, labels, np.arange(len(labels)))
    return Source("digits", digest, tuple(str(name) for name in range(10)), train, None, None)


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    return ((name, content) for name, content in archives.read(path, lambda _: True) if content is not None)


def _unpickle(path: Path, content: bytes) -> dict[bytes, Any]:
    try:
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} does not hold the official batches: {error}") from None


class _Unpickler(pickle.Unpickler):
    """Builds arrays of numbers and nothing else: a pickle may name any function to be called."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] != "numpy" or name not in _PICKLED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}")
        return _PICKLED[name]
