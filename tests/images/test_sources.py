"""The four sources on tiny data made here; downloads from a server on localhost; bad data ends in an InputError."""

import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladder.core.errors import InputError
from ladder.images import archives, downloads, sources
from ladder.params import Data

REAL_JPEG = Path(__file__).parents[3] / "shared/data/cifar10-jpeg.tar.xz"


def data(source: str, path: str = "raw", **changes) -> Data:
    sizes = {"val_size": 1, "test_size": 1 if source == "digits" else None}
    return Data(**{"source": source, "path": path, "image_size": 32, "split_seed": 0} | sizes | changes)


def pixel(level: int) -> bytes:
    """A gray image, its level its mark."""
    stream = io.BytesIO()
    Image.new("L", (1, 1), level).save(stream, "PNG")
    return stream.getvalue()


# Given out of order, so that an order of reading would show.
TREE = {
    "test/dog/0.png": pixel(5),
    "test/cat/0.png": pixel(4),
    "train/dog/1.png": pixel(3),
    "train/dog/0.png": pixel(2),
    "train/cat/7.png": pixel(1),
}
VAL = {"val/cat/0.png": pixel(6), "val/dog/0.png": pixel(7)}


def write_folder(path: Path, tree: dict[str, bytes]) -> Path:
    for name, content in tree.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def write_zip(path: Path, tree: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in tree.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def write_tar(path: Path, tree: dict[str, bytes]) -> Path:
    compression = path.suffix.replace(".tgz", ".gz").replace(".tar", "").lstrip(".")
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write(path: Path, tree: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    how = write_zip if path.suffix == ".zip" else write_tar if path.suffix else write_folder
    return how(path, tree)


def below(tree: dict[str, bytes], top: str) -> dict[str, bytes]:
    return {f"{top}/{name}": content for name, content in tree.items()}


def files_in(folder: Path) -> list[str]:
    """All that lies in a folder, hidden and temporary things too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def levels(part) -> list[int]:
    """The marks of a part's images; each is one flat gray."""
    assert part.images.dtype == np.uint8
    assert (part.images == part.images[:, :1, :1, :1]).all()
    return part.images[:, 0, 0, 0].tolist()


# Image folders


@pytest.mark.parametrize("top", [None, "my images"])
@pytest.mark.parametrize("name", ["photos", "photos.zip", "p.tar", "p.tar.gz", "p.tgz", "p.tar.xz", "P.ZIP"])
def test_image_folder_in_any_container(tmp_path, name, top):
    write(tmp_path / name.lower(), below(TREE, top) if top else TREE).rename(tmp_path / name)
    source = sources.read(data("image_folder", name, image_size=8), tmp_path)
    assert (source.name, source.classes, source.val) == ("image_folder", ("cat", "dog"), None)
    assert source.train.images.shape == (3, 3, 8, 8)
    assert [levels(part) for part in (source.train, source.test)] == [[1, 2, 3], [4, 5]]
    assert [part.labels.tolist() for part in (source.train, source.test)] == [[0, 1, 1], [0, 1]]
    assert [part.ids.tolist() for part in (source.train, source.test)] == [[0, 1, 2], [3, 4]]
    assert source.train.labels.dtype == source.train.ids.dtype == np.int64

    lines = "".join(f"{hashlib.sha256(TREE[file]).hexdigest()}  {file}\n" for file in sorted(TREE))
    assert source.digest == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", ["photos", "photos.zip"])  # with and without entries for folders
def test_classes_are_ordered_by_name_in_any_container(tmp_path, name):
    write(tmp_path / name, {file.replace("dog", "cat 2"): content for file, content in TREE.items()})
    source = sources.read(data("image_folder", name), tmp_path)
    assert source.classes == ("cat", "cat 2")
    assert levels(source.train) == [1, 2, 3]


def test_image_folder_with_its_own_val(tmp_path):
    write(tmp_path / "photos", TREE | VAL)
    source = sources.read(data("image_folder", "photos", val_size=None), tmp_path)
    assert [levels(part) for part in (source.train, source.val, source.test)] == [[1, 2, 3], [6, 7], [4, 5]]
    assert source.val.ids.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("tree", "val_size", "message"),
    [
        (TREE, None, "val_size is null, but .* no images under val/"),
        (TREE | VAL, 1, "val_size is 1, but .* its own val/"),
    ],
)
def test_val_size_goes_with_the_folder(tmp_path, tree, val_size, message):
    write(tmp_path / "photos", tree)
    with pytest.raises(InputError, match=message):
        sources.read(data("image_folder", "photos", val_size=val_size), tmp_path)


@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar"])
def test_what_systems_strew_about_is_ignored(tmp_path, name):
    junk = (
        "train/cat/.DS_Store",
        "train/cat/Thumbs.db",
        "train/.ipynb_checkpoints/a.png",
        "__MACOSX/train/cat/._7.png",
        ".git/train/cat/a.png",
        "README.md",
    )
    write(tmp_path / name, TREE | dict.fromkeys(junk, b"junk"))
    clean = write(tmp_path / "clean", TREE)
    read = [sources.read(data("image_folder", path), tmp_path) for path in (name, clean.name)]
    assert read[0].digest == read[1].digest
    assert levels(read[0].train) == [1, 2, 3]


def test_links_in_the_users_own_folder_are_followed(tmp_path):
    tree = write(tmp_path / "elsewhere", TREE)
    (tmp_path / "photos/test").mkdir(parents=True)
    (tmp_path / "photos/train").symlink_to(tree / "train")
    for name in ("cat", "dog"):
        (tmp_path / "photos/test" / name).symlink_to(tree / "test" / name)
    assert levels(sources.read(data("image_folder", "photos"), tmp_path).test) == [4, 5]


def without(prefix: str) -> dict[str, bytes]:
    return {name: content for name, content in TREE.items() if not name.startswith(prefix)}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        pytest.param({"a.txt": b""}, "no images under train/: expected train/<class>/<image>", id="no-images"),
        pytest.param(without("train/"), "no images under train/", id="no-train"),
        pytest.param(without("test/"), "no images under test/", id="no-test"),
        pytest.param(TREE | {"train/a.png": b""}, "train/a.png does not lie as train/<class>/", id="in-no-class"),
        pytest.param(TREE | {"train/cat/b/a.png": b""}, "train/cat/b.* does not lie as train/<class>/", id="too-deep"),
        pytest.param(without("test/dog"), "train/ and test/ .* differ in dog", id="class-not-in-test"),
        pytest.param(
            TREE | {"val/bird/0.png": b""}, "train/ and val/ .* differ in bird, cat, dog", id="class-only-in-val"
        ),
        pytest.param({"train/a/0.png": b"", "test/a/0.png": b""}, "the one class a: at least two", id="one-class"),
        pytest.param(TREE | below(TREE, "old"), "in old and in the top: keep one set", id="two-sets"),
        pytest.param(
            TREE | {"test/dog/1.png": b"text"}, "test/dog/1.png is damaged or in no image format", id="no-image"
        ),
        pytest.param(TREE | {"test/dog/1.png": pixel(1)[:-30]}, "test/dog/1.png is damaged", id="truncated-image"),
    ],
)
@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_bad_layouts_and_images(tmp_path, tree, message, name):
    path = write(tmp_path / name, tree)
    with pytest.raises(InputError, match=f"(?s)^{path}.*{message}"):
        sources.read(data("image_folder", name), tmp_path)


def test_empty_class_folders(tmp_path):
    path = write(tmp_path / "photos", TREE)
    (path / "test/dog/0.png").unlink()
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(path, "photos")
    for name in ("photos", "photos.tar"):
        with pytest.raises(InputError, match="no images in test/dog/"):
            sources.read(data("image_folder", name), tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "is missing"), ("notes.txt", "is neither a folder nor an archive")]
)
def test_bad_paths(tmp_path, name, message):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=f"^{tmp_path / name} {message}.*data.path"):
        sources.read(data("image_folder", name), tmp_path)


# Archives


def tar_member(**fields) -> tarfile.TarInfo:
    member = tarfile.TarInfo("train/cat/x.png")
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def zip_member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("name")
    member.filename, member.external_attr = name, mode << 16
    return member


OUTSIDE, SPECIAL, TWICE = "points outside the archive", "is a link or a device", "stands in it twice"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        pytest.param(tar_member(name="../x.png"), OUTSIDE, id="parent"),
        pytest.param(tar_member(name="train/cat/../../../x.png"), OUTSIDE, id="parent-within"),
        pytest.param(tar_member(name="/train/cat/x.png"), OUTSIDE, id="absolute"),
        pytest.param(tar_member(name="C:/x.png"), OUTSIDE, id="drive"),
        pytest.param(tar_member(type=tarfile.SYMTYPE, linkname="/etc/passwd"), SPECIAL, id="symbolic-link"),
        pytest.param(tar_member(type=tarfile.LNKTYPE, linkname="train/cat/7.png"), SPECIAL, id="hard-link"),
        pytest.param(tar_member(type=tarfile.CHRTYPE), SPECIAL, id="device"),
        pytest.param(tar_member(type=tarfile.FIFOTYPE), SPECIAL, id="pipe"),
        pytest.param(tar_member(name="./train/cat/7.png"), TWICE, id="twice"),
        pytest.param(zip_member("../x.png"), OUTSIDE, id="zip-parent"),
        pytest.param(zip_member("..\\x.png"), OUTSIDE, id="zip-parent-backslash"),
        pytest.param(zip_member("/x.png"), OUTSIDE, id="zip-absolute"),
        pytest.param(zip_member("train/cat/x.png", stat.S_IFLNK), SPECIAL, id="zip-link"),
    ],
)
def test_archives_with_members_that_have_no_business_there(tmp_path, member, message):
    if isinstance(member, tarfile.TarInfo):
        path = write_tar(tmp_path / "photos.tar", TREE)
        with tarfile.open(path, "a") as archive:
            archive.addfile(member)
    else:
        path = write_zip(tmp_path / "photos.zip", TREE)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, b"/etc/passwd")
    with pytest.raises(InputError, match=f"^{path}: member .* {message}"):
        sources.read(data("image_folder", path.name), tmp_path)
    assert files_in(tmp_path) == [path.name]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_between_members(content: bytes) -> bytes:
    return content[: 2 * 1024]  # a header and an image take a block of 512 each


def damage_second_header(content: bytes) -> bytes:
    return content[:1030] + b"?" + content[1031:]


def damage_checksum(content: bytes) -> bytes:
    return content[:-8] + bytes(4) + content[-4:]  # a .gz ends in CRC-32 and length


def encrypt(content: bytes) -> bytes:
    return content.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )  # its flag in the index


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, cut) for name in ("p.zip", "p.tar", "p.tar.gz", "p.tgz", "p.tar.xz")),
        *((name, lambda content: b"") for name in ("p.zip", "p.tar", "p.tar.gz")),
        ("p.tar", cut_between_members),
        ("p.tar", damage_second_header),
        ("p.tar.gz", damage_checksum),
        ("p.zip", encrypt),
    ],
)
def test_damaged_archives(tmp_path, name, damage):
    path = write(tmp_path / name, TREE)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    with pytest.raises(InputError, match=f"^{path} cannot be read, it is damaged, truncated or locked"):
        sources.read(data("image_folder", name), tmp_path)


@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar"])
def test_oversized_files_are_not_read(tmp_path, name, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    write(tmp_path / name, TREE | {"train/cat/x.png": bytes(1001)})
    with pytest.raises(InputError, match=r"train/cat/x.png has 1,001 bytes, at most 1,000 are read"):
        sources.read(data("image_folder", name), tmp_path)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), os.mkfifo])
def test_what_is_no_file_in_a_folder(tmp_path, make):
    make(write(tmp_path / "photos", TREE) / "train/cat/x.png")
    with pytest.raises(InputError, match=r"train/cat/x.png is a broken link or a device"):
        sources.read(data("image_folder", "photos"), tmp_path)


# The two CIFAR-10s


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
    monkeypatch.setattr(sources, "CIFAR10", dataclasses.replace(sources.CIFAR10, digest=digest))
    return path


def make_cifar10_jpeg(folder: Path, monkeypatch, name: str = sources.CIFAR10_JPEG.file) -> Path:
    path = write(folder / name, below(TREE, "CIFAR-10-images-d7d0561") | {"CIFAR-10-images-d7d0561/README.md": b"#"})
    lines = "".join(f"{hashlib.sha256(TREE[file]).hexdigest()}  {file}\n" for file in sorted(TREE))
    digest = f"sha256 of files {hashlib.sha256(lines.encode()).hexdigest()}"
    monkeypatch.setattr(sources, "CIFAR10_JPEG", dataclasses.replace(sources.CIFAR10_JPEG, digest=digest))
    return path


def test_cifar10_is_read_in_official_order_and_not_unpacked(tmp_path, monkeypatch):
    path = make_cifar10(tmp_path / "raw", monkeypatch)
    source = sources.read(data("cifar10"), tmp_path)
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
    assert files_in(tmp_path) == ["raw", "raw/cifar-10-python.tar.gz"]


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("dump", [pickle.dumps, lambda attack: b"cnumpy\nload\n."], ids=["os", "numpy"])
def test_batches_that_call_functions_are_refused(tmp_path, monkeypatch, dump):
    monkeypatch.chdir(tmp_path)
    path = make_cifar10(tmp_path / "raw", monkeypatch, OFFICIAL | {"cifar-10-batches-py/test_batch": dump(Attack())})
    with pytest.raises(InputError, match=f"^{path} does not hold the official batches: it wants to call "):
        sources.read(data("cifar10"), tmp_path)
    assert not Path("attacked").exists()


@pytest.mark.parametrize(
    "name",
    ["cifar10-jpeg.tar.xz", "cifar10-jpeg.zip", "CIFAR-10-images-master.zip", "CIFAR-10-images", "cifar10-jpeg.tar"],
)
def test_cifar10_jpeg_is_found_in_any_form(tmp_path, monkeypatch, name):
    make_cifar10_jpeg(tmp_path / "raw", monkeypatch, name)
    (tmp_path / "raw/CIFAR-10-images-master.zip.part").write_text("a browser's broken-off download")
    source = sources.read(data("cifar10_jpeg"), tmp_path)
    assert (source.name, source.classes, source.val) == ("cifar10_jpeg", ("cat", "dog"), None)
    assert sources.CIFAR10_JPEG.digest == f"sha256 of files {source.digest}"
    assert [levels(part) for part in (source.train, source.test)] == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize("source", ["cifar10", "cifar10_jpeg"])
def test_digests_are_checked_before_anything_is_decoded(tmp_path, source):
    """Under the published names, but neither a pickle nor an image can be decoded."""
    content = {f"cifar-10-batches-py/{name}": b"x" for name in ("test_batch", "train/cat/1.jpg", "test/cat/1.jpg")}
    path = tmp_path / "raw" / getattr(sources, source.upper()).file
    write(path, content)
    with pytest.raises(InputError, match=f"^{path} has .*, expected .*: it is not the published file .* Delete it"):
        sources.read(data(source), tmp_path)
    assert files_in(tmp_path / "raw") == [path.name]


def test_md5_is_checked_before_the_archive_is_opened(tmp_path):
    path = write_folder(tmp_path / "raw", {"cifar-10-python.tar.gz": b"no archive"}) / "cifar-10-python.tar.gz"
    with pytest.raises(
        InputError, match=f"^{path} has md5 {hashlib.md5(b'no archive').hexdigest()}, expected md5 c58f"
    ):
        sources.read(data("cifar10"), tmp_path)


@pytest.mark.slow
def test_the_real_jpeg_archive(monkeypatch):
    if not REAL_JPEG.exists():
        pytest.skip(f"the real images are not at {REAL_JPEG}: nothing checks the published digest")
    source = sources.read(data("cifar10_jpeg", REAL_JPEG.parent.name), REAL_JPEG.parents[1])
    assert sources.CIFAR10_JPEG.digest == f"sha256 of files {source.digest}"
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


# Downloads


class Server(http.server.ThreadingHTTPServer):
    """Answers any request as `answer` does; counts the requests."""

    answer = None
    requests = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests += 1
        self.server.answer(self)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        for name in ("CIFAR10", "CIFAR10_JPEG"):
            url = f"http://127.0.0.1:{running.server_port}/{name}"
            monkeypatch.setattr(sources, name, dataclasses.replace(getattr(sources, name), url=url))
        yield running
        running.shutdown()


def send(content: bytes, *, announced: int | None = None, status: int = 200):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def send_broken_chunks(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\nhello\r\n")


def send_nothing(handler):
    threading.Event().wait(1)


MAKE = {"cifar10": make_cifar10, "cifar10_jpeg": make_cifar10_jpeg}


@pytest.mark.parametrize("source", MAKE)
def test_download(tmp_path, monkeypatch, server, source, capfd):
    kept = MAKE[source](tmp_path / "kept", monkeypatch)
    server.answer = send(kept.read_bytes())
    read = [sources.read(data(source, path), tmp_path) for path in ("kept", "data/raw", "data/raw")]
    assert server.requests == 1  # what is there is not downloaded
    assert files_in(tmp_path / "data/raw") == [getattr(sources, source.upper()).file]
    assert (tmp_path / "data/raw" / kept.name).read_bytes() == kept.read_bytes()
    for other in read[1:]:
        assert other.digest == read[0].digest
        np.testing.assert_array_equal(other.train.images, read[0].train.images)
    assert capfd.readouterr().err == ""  # no progress bar where there is no terminal


@pytest.mark.parametrize("source", MAKE)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(send(b"", status=404), "could not be downloaded to .*404", id="not-found"),
        pytest.param(send(b"half", announced=8), "could not be downloaded", id="broken-off"),
        pytest.param(send_broken_chunks, "could not be downloaded", id="broken-off-chunked"),
        pytest.param(send_nothing, "could not be downloaded to .*timed out", id="silent"),
        pytest.param(send(b"<html>Please log in</html>"), "the download from .* was not kept", id="a-login-page"),
    ],
)
def test_failed_downloads_leave_nothing(tmp_path, monkeypatch, server, source, answer, message):
    monkeypatch.setattr(downloads, "TIMEOUT_S", 0.2)
    server.answer = answer
    with pytest.raises(InputError, match=message) as caught:
        sources.read(data(source), tmp_path)
    assert f"http://127.0.0.1:{server.server_port}/{source.upper()}" in str(caught.value)
    assert server.requests == 1
    assert files_in(tmp_path) == ["raw"]


@pytest.mark.parametrize("source", MAKE)
def test_downloads_with_the_wrong_digest_are_not_kept(tmp_path, monkeypatch, server, source):
    server.answer = send(MAKE[source](tmp_path / "kept", monkeypatch).read_bytes())
    published = getattr(sources, source.upper())
    monkeypatch.setattr(sources, source.upper(), dataclasses.replace(published, digest="another"))
    with pytest.raises(InputError, match=r"the download from .* was not kept: .*, expected another"):
        sources.read(data(source), tmp_path)
    assert files_in(tmp_path / "raw") == []


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but not listening
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        monkeypatch.setattr(sources, "CIFAR10", dataclasses.replace(sources.CIFAR10, url=url))
        with pytest.raises(InputError, match=f"{url} could not be downloaded .* put cifar-10-python.tar.gz there"):
            sources.read(data("cifar10"), tmp_path)
    assert files_in(tmp_path) == ["raw"]


# Digits


def test_digits():
    source = sources.read(data("digits", image_size=8, val_size=100, test_size=100), Path())
    assert (source.name, source.val, source.test) == ("digits", None, None)
    assert source.classes == tuple("0123456789")
    assert source.train.images.shape == (1797, 3, 8, 8)
    assert source.train.images.dtype == np.uint8
    assert source.train.labels[:10].tolist() == list(range(10))
    assert source.train.ids.tolist() == list(range(1797))
    # The bundled file begins 0, 0, 5, 13, 9, 1, 0, 0 of 16; 255 / 16 = 15.94.
    for channel in source.train.images[0]:
        assert channel[0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert source.train.images.max() == 255

    larger = sources.read(data("digits", val_size=100, test_size=100), Path())
    assert larger.train.images.shape == (1797, 3, 32, 32)
    assert larger.digest == source.digest


def test_torch_is_not_imported():
    code = "import ladder.images.sources, ladder.images.split, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
