"""The four sources, read from what the stage `images` makes of tiny data, and of the real."""

import hashlib
import os
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladder.core.errors import InputError
from ladder.core.types import Source
from ladder.images import canonical, published, sources
from ladder.params import Data
from tiny_archives import OFFICIAL, make_cifar10, make_cifar10_jpeg
from trees import files_in, levels

REAL_JPEG = Path(__file__).parents[3] / "shared/data/cifar10-jpeg.tar.xz"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def digits() -> Data:
    values = {"source": "digits", "path": "data/raw/digits", "image_size": 8, "split_seed": 0, "groups": None}
    return Data(**values, fit="squash", pictures="plots", val_size=1, test_size=1)


def read(source: str, archives: Path = Path("data/archives"), **changes) -> Source:
    """What `split` reads after `images`."""
    path = f"data/raw/{source}"
    canonical.write(Path(path), published.read(source, archives))
    sizes = {"val_size": 1, "test_size": 1 if source == "digits" else None}
    values = {"source": source, "path": path, "image_size": 32, "split_seed": 0, "groups": None, "fit": "squash"}
    values["pictures"] = "plots"
    return sources.read(Data(**values | sizes | changes))


def test_cifar10_is_read_in_official_order_and_not_unpacked(monkeypatch):
    path = make_cifar10(Path("data/archives"), monkeypatch)
    source = read("cifar10")
    assert (source.name, source.classes, source.val) == ("cifar10", ("airplane", "automobile"), None)
    assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.train.images.shape == (10, 3, 32, 32)
    assert source.train.images.dtype == np.uint8
    assert source.train.images[:, :, 31, 0].tolist() == [
        [30 * number + 3 * image + plane for plane in range(3)] for number in range(1, 6) for image in range(2)
    ]
    assert source.train.labels.tolist() == [1, 0, 0, 1] * 2 + [1, 0]
    assert source.train.ids.tolist() == list(range(10))
    assert source.test.images[1, :, 0, 0].tolist() == [183, 184, 185]
    assert (source.test.labels.tolist(), source.test.ids.tolist()) == ([0, 1], [10, 11])
    assert source.train.labels.dtype == source.test.ids.dtype == np.int64
    assert files_in(Path("data/raw")) == ["cifar10", "cifar10/images.zip"]


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("dump", [pickle.dumps, lambda attack: b"cnumpy\nload\n."], ids=["os", "numpy"])
def test_batches_that_call_functions_are_refused(monkeypatch, dump):
    tree = OFFICIAL | {"cifar-10-batches-py/test_batch": dump(Attack())}
    make_cifar10(Path("data/archives"), monkeypatch, tree)
    with pytest.raises(InputError, match=r"^data/raw/cifar10/images.zip does not hold .* batches: it wants to call "):
        read("cifar10")
    assert not Path("attacked").exists()


def test_cifar10_jpeg(monkeypatch):
    make_cifar10_jpeg(Path("data/archives"), monkeypatch)
    source = read("cifar10_jpeg")
    assert (source.name, source.classes, source.val) == ("cifar10_jpeg", ("cat", "dog"), None)
    assert source.files == ()
    assert published.CIFAR10_JPEG.digest == f"sha256 of files {source.digest}"
    assert [levels(part) for part in (source.train, source.test)] == [[1, 2, 3], [4, 5]]


@pytest.mark.slow
def test_the_real_jpeg_archive():
    if not REAL_JPEG.exists():
        pytest.skip(f"the real images are not at {REAL_JPEG}: nothing checks the published digest")
    source = read("cifar10_jpeg", REAL_JPEG.parent)
    made = Path("data/raw/cifar10_jpeg/images.zip").read_bytes()
    assert hashlib.sha256(made).hexdigest() == "4b5cbe17f4a9a9fd94e17137f12c891da461f124b1c4222b309c1ae4051d781c"
    assert published.CIFAR10_JPEG.digest == f"sha256 of files {source.digest}"
    assert " ".join(source.classes) == "airplane automobile bird cat deer dog frog horse ship truck"
    for part, per_class, first_id in ((source.train, 5000, 0), (source.test, 1000, 50_000)):
        assert part.images.shape == (10 * per_class, 3, 32, 32)
        assert part.labels.tolist() == np.repeat(np.arange(10), per_class).tolist()
        assert part.ids.tolist() == list(range(first_id, first_id + 10 * per_class))
    with tarfile.open(REAL_JPEG) as archive:  # files are numbered from 0; the first to come is of the training part
        member = next(member for member in archive if member.isfile())
        stored = np.asarray(Image.open(archive.extractfile(member)))
    part, name, file = member.name.split("/")
    assert part == "train"
    place = 5000 * source.classes.index(name) + int(Path(file).stem)
    np.testing.assert_array_equal(source.train.images[place].transpose(1, 2, 0), stored)


def test_digits():
    source = read("digits", image_size=8)
    assert (source.name, source.val, source.test) == ("digits", None, None)
    assert source.classes == tuple("0123456789")
    # As it was before the digits were kept in a file: of gray levels and labels.
    assert source.digest == "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"
    assert source.train.images.shape == (1797, 3, 8, 8)
    assert source.train.images.dtype == np.uint8
    assert source.train.labels[:10].tolist() == list(range(10))
    assert source.train.ids.tolist() == list(range(1797))
    # The bundled file begins 0, 0, 5, 13, 9, 1, 0, 0 of 16; 255 / 16 = 15.94.
    for channel in source.train.images[0]:
        assert channel[0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert source.train.images.max() == 255

    larger = read("digits")
    assert larger.train.images.shape == (1797, 3, 32, 32)
    assert larger.digest == source.digest


def test_a_missing_canonical_file_is_named():
    canonical.write(Path("data/raw/digits"), {})
    Path("data/raw/digits/images.zip").unlink()
    with pytest.raises(InputError, match=r"^data/raw/digits/images.zip is missing"):
        sources.read(digits())


def test_torch_is_not_imported():
    code = "import ladder.images.sources, ladder.images.split, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
