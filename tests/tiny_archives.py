"""Tiny archives in the form of the published ones, whose digests the code then expects."""

import dataclasses
import hashlib
import io
import pickle
import struct
from pathlib import Path

import numpy as np

from ladder.images import published
from trees import TREE, below, write


class Python2Pickler(pickle._Pickler):
    """Pickles as the official batches were: by Python 2, whose text is bytes, and under numpy's old module names."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_text(self, text):
        content = text if isinstance(text, bytes) else text.encode()
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_text

    def save_global(self, obj, name=None):
        self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".replace("numpy._core", "numpy.core").encode())
        self.memoize(obj)

    dispatch[type] = dispatch[type(len)] = save_global


def pickled(content) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(content)
    return stream.getvalue()


def official(number: int) -> bytes:
    """Two images, labels `number` % 2 and the other one; plane p of image i is all of level 30 * number + 3 * i + p."""
    planes = 30 * number + np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    return pickled({"data": planes.repeat(1024, axis=2).reshape(2, 3072), "labels": [number % 2, 1 - number % 2]})


OFFICIAL = below(
    {
        "test_batch": official(6),
        **{f"data_batch_{number}": official(number) for number in (3, 1, 2, 5, 4)},
        "batches.meta": pickled({"label_names": ["airplane", "automobile"], "num_vis": 3072}),
        "readme.html": b"not a pickle",
    },
    "cifar-10-batches-py",
)


def make_cifar10(folder: Path, monkeypatch, tree: dict[str, bytes] = OFFICIAL) -> Path:
    path = write(folder / "cifar-10-python.tar.gz", tree)
    digest = f"md5 {hashlib.md5(path.read_bytes()).hexdigest()}"
    monkeypatch.setattr(published, "CIFAR10", dataclasses.replace(published.CIFAR10, digest=digest))
    return path


def make_cifar10_jpeg(folder: Path, monkeypatch, name: str = published.CIFAR10_JPEG.file) -> Path:
    path = write(folder / name, below(TREE, "CIFAR-10-images-d7d0561") | {"CIFAR-10-images-d7d0561/README.md": b"#"})
    lines = "".join(f"{hashlib.sha256(TREE[file]).hexdigest()}  {file}\n" for file in sorted(TREE))
    digest = f"sha256 of files {hashlib.sha256(lines.encode()).hexdigest()}"
    monkeypatch.setattr(published, "CIFAR10_JPEG", dataclasses.replace(published.CIFAR10_JPEG, digest=digest))
    return path


MAKE = {"cifar10": make_cifar10, "cifar10_jpeg": make_cifar10_jpeg}
