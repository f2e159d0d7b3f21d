"""The canonical file: the same files give the same bytes."""

import hashlib
import time
import zipfile

from ladder.images import archives, canonical, published
from tiny_archives import make_cifar10_jpeg
from trees import TREE, files_in


def sha256(folder, contents) -> str:
    canonical.write(folder, contents)
    assert files_in(folder) == ["images.zip"]
    return hashlib.sha256((folder / "images.zip").read_bytes()).hexdigest()


def test_neither_order_nor_time_nor_what_lay_there_shows(tmp_path, monkeypatch):
    first = sha256(tmp_path / "a", TREE)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2e9))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/images.zip").write_bytes(b"of a run before")
    assert sha256(tmp_path / "b", dict(reversed(TREE.items()))) == first
    assert sha256(tmp_path / "b", TREE | {"train/cat/8.png": b""}) != first


def test_the_bytes_are_those_of_other_machines(tmp_path):
    """Committed once: a Python that writes other bytes would make every dvc.lock stale."""
    digest = sha256(tmp_path, {"train/b/2.jpg": b"two", "train/a/1.jpg": b"one", "test/a/1.jpg": b""})
    assert digest == "d0b7e6b91c27cf889301944a68d17f8f1c95c81e569bd7c40f5820eaf54e2c1e"


def test_whatever_archive_the_files_came_in(tmp_path, monkeypatch):
    made = set()
    for name in ("cifar10-jpeg.tar.xz", "cifar10-jpeg.zip", "CIFAR-10-images"):
        make_cifar10_jpeg(tmp_path / name, monkeypatch, name)
        made.add(sha256(tmp_path / "made" / name, published.read("cifar10_jpeg", tmp_path / name)))
    assert len(made) == 1


def test_it_reads_back_sorted_and_without_times(tmp_path):
    canonical.write(tmp_path, TREE)
    assert list(archives.read(tmp_path / "images.zip", lambda _: True)) == sorted(TREE.items())
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_nothing_to_keep_is_an_archive_without_members(tmp_path):
    canonical.write(tmp_path, {})
    assert list(archives.read(tmp_path / "images.zip", lambda _: True)) == []
