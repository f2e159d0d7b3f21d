"""Archives: what has no business in them is refused, and damage is noticed."""

import os
import stat
import tarfile
import zipfile

import pytest

from ladder.core.errors import InputError
from ladder.images import archives, sources
from trees import TREE, files_in, own, write, write_tar, write_zip


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
        sources.read(own(path))
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
        sources.read(own(tmp_path / name))


@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar"])
def test_oversized_files_are_not_read(tmp_path, name, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    write(tmp_path / name, TREE | {"train/cat/x.png": bytes(1001)})
    with pytest.raises(InputError, match=r"train/cat/x.png has 1,001 bytes, at most 1,000 are read"):
        sources.read(own(tmp_path / name))


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), os.mkfifo])
def test_what_is_no_file_in_a_folder(tmp_path, make):
    make(write(tmp_path / "photos", TREE) / "train/cat/x.png")
    with pytest.raises(InputError, match=r"train/cat/x.png is a broken link or a device"):
        sources.read(own(tmp_path / "photos"))
