"""The files of each source, verified, from tiny archives in the form of the published ones."""

import hashlib
import io

import numpy as np
import pytest

from ladder.core.errors import InputError
from ladder.images import published
from tiny_archives import OFFICIAL, make_cifar10, make_cifar10_jpeg
from trees import TREE, files_in, write, write_folder


def test_cifar10_is_its_batches_and_the_digest_of_their_archive(tmp_path, monkeypatch):
    path = make_cifar10(tmp_path, monkeypatch)
    contents = published.read("cifar10", tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert contents.pop("cifar-10-python.tar.gz.sha256").decode() == sha256
    assert contents == {name: content for name, content in OFFICIAL.items() if not name.endswith("readme.html")}
    assert files_in(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "name",
    ["cifar10-jpeg.tar.xz", "cifar10-jpeg.zip", "CIFAR-10-images-master.zip", "CIFAR-10-images", "cifar10-jpeg.tar"],
)
def test_cifar10_jpeg_is_found_in_any_form(tmp_path, monkeypatch, name):
    make_cifar10_jpeg(tmp_path, monkeypatch, name)
    (tmp_path / "CIFAR-10-images-master.zip.part").write_text("a browser's broken-off download")
    assert published.read("cifar10_jpeg", tmp_path) == TREE


@pytest.mark.parametrize("source", ["cifar10", "cifar10_jpeg"])
def test_another_archive_under_the_published_name_is_refused(tmp_path, source):
    content = {f"cifar-10-batches-py/{name}": b"x" for name in ("test_batch", "train/cat/1.jpg", "test/cat/1.jpg")}
    path = write(tmp_path / getattr(published, source.upper()).file, content)
    with pytest.raises(InputError, match=f"^{path} has .*, expected .*: it is not the published file .* Delete it"):
        published.read(source, tmp_path)
    assert files_in(tmp_path) == [path.name]


@pytest.mark.parametrize("change", ["one more", "one less", "another", "renamed", "with a val part"])
def test_any_difference_in_the_jpeg_copy_is_noticed(tmp_path, monkeypatch, change):
    path = make_cifar10_jpeg(tmp_path, monkeypatch, "cifar10-jpeg.zip")
    tree = dict(TREE)
    first = tree.pop("train/cat/7.png")
    tree |= {
        "one more": {"train/cat/7.png": first, "train/cat/8.png": first},
        "one less": {},
        "another": {"train/cat/7.png": first + b"?"},
        "renamed": {"train/cat/8.png": first},
        "with a val part": {"train/cat/7.png": first, "val/cat/7.png": first},
    }[change]
    write(path, tree)
    with pytest.raises(InputError, match=f"^{path} has sha256 of files .*, expected sha256 of files"):
        published.read("cifar10_jpeg", tmp_path)


def test_md5_is_checked_before_the_archive_is_opened(tmp_path):
    path = write_folder(tmp_path, {"cifar-10-python.tar.gz": b"no archive"}) / "cifar-10-python.tar.gz"
    with pytest.raises(
        InputError, match=f"^{path} has md5 {hashlib.md5(b'no archive').hexdigest()}, expected md5 c58f"
    ):
        published.read("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["cifar10-jpeg.tar.xz", "cifar10-jpeg.zip"])
def test_a_truncated_archive_is_called_that(tmp_path, monkeypatch, name):
    path = make_cifar10_jpeg(tmp_path, monkeypatch, name)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=f"^{path} cannot be read, it is damaged, truncated or locked"):
        published.read("cifar10_jpeg", tmp_path)


def test_digits_are_those_of_scikit_learn(tmp_path):
    contents = published.read("digits", tmp_path / "nowhere")
    images, labels = (np.load(io.BytesIO(contents[name])) for name in ("images.npy", "labels.npy"))
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((1797, 8, 8), np.uint8, (1797,), np.int64)
    # The bundled file begins 0, 0, 5, 13, 9, 1, 0, 0 of 16; 255 / 16 = 15.94.
    assert images[0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert images.max() == 255
    assert not (tmp_path / "nowhere").exists()


def test_an_image_folder_is_nobodys_publication(tmp_path):
    assert published.read("image_folder", tmp_path / "nowhere") == {}
