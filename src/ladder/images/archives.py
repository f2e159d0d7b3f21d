"""Safe reading of archives and folders: one file at a time, in memory; nothing is ever unpacked to disk."""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ladder.core.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")
MAX_FILE_BYTES = 2**28  # no photograph is larger; what declares more is a decompression bomb

# A member is its name and its bytes, or None for a folder.
Member = tuple[str, bytes | None]
Wanted = Callable[[str], object]

_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
_UNREADABLE = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, RuntimeError)


def read(path: Path, wanted: Wanted, contents: bool = True) -> Iterator[Member]:
    """Members of a folder or an archive (`SUFFIXES`) whose name `wanted` accepts, in stored order.

    Names are relative with forward slashes. Hidden files and what macOS and Windows strew about are left out. In a
    folder that the user made, links are followed; in an archive they are refused. Without `contents`, files in a folder
    are not opened, and their bytes are none.
    Raises: InputError for a path that is missing, no archive, damaged or truncated, and for a member that points
    outside the archive, stands in it twice, is larger than MAX_FILE_BYTES, or is neither file nor folder.
    """
    if path.is_dir():
        members = _folder(path, wanted, contents)
    elif not path.exists():
        raise InputError(f"{path} is missing: expected a folder or an archive ({', '.join(SUFFIXES)}); see data.path")
    elif not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"{path} is neither a folder nor an archive ({', '.join(SUFFIXES)}); see data.path")
    else:
        members = (_zip if path.name.lower().endswith(".zip") else _tar)(path, wanted)
    try:
        yield from members
    except _UNREADABLE as error:
        raise InputError(f"{path} cannot be read, it is damaged, truncated or locked ({error}): get it anew") from None


def _folder(path: Path, wanted: Wanted, contents: bool) -> Iterator[Member]:
    for folder, folders, files in os.walk(path, followlinks=True, onerror=_fail):
        prefix = "".join(f"{part}/" for part in Path(folder).relative_to(path).parts)
        # Below the first level only wanted folders are walked: what lies beside them may be a whole home directory.
        folders[:] = [f for f in folders if not is_junk(f) and (not prefix or wanted(prefix + f))]
        yield from ((prefix + f, None) for f in folders if wanted(prefix + f))
        for name in (prefix + f for f in files):
            if is_junk(name) or not wanted(name):
                continue
            if not contents:
                yield name, b""
                continue
            file = path / name
            if not file.is_file():
                raise InputError(f"{file} is a broken link or a device: remove it")
            _check_size(path, name, file.stat().st_size)
            yield name, file.read_bytes()


def _zip(path: Path, wanted: Wanted) -> Iterator[Member]:
    seen: set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 from a system without Unix modes
            name = _inside(path, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), seen)
            if wanted(name) and not is_junk(name):
                _check_size(path, name, member.file_size)
                yield name, None if member.is_dir() else archive.read(member)


def _tar(path: Path, wanted: Wanted) -> Iterator[Member]:
    seen: set[str] = set()
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = _inside(path, member.name, member.isfile() or member.isdir(), seen)
            if wanted(name) and not is_junk(name):
                _check_size(path, name, member.size)
                content = archive.extractfile(member)
                yield name, None if content is None else content.read()
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """tarfile takes a damaged header for the end, and stops before the checksum at the end of a .gz: look further."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end-of-archive mark where the last file ends")
    while archive.fileobj.read(2**20):
        pass


def _inside(path: Path, stored_name: str, is_plain: bool, seen: set[str]) -> str:
    """The normalised name of an archive's member, refused if it could mean anything but one new file inside."""
    name = stored_name.replace("\\", "/")  # as some Windows tools write it
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or name[1:2] == ":" or ".." in parts:
        raise InputError(f"{path}: member {stored_name!r} points outside the archive; do not use this archive")
    if not is_plain:
        raise InputError(f"{path}: member {stored_name!r} is a link or a device; pack plain files and folders only")
    inside = "/".join(parts)
    if inside in seen:
        raise InputError(f"{path}: member {stored_name!r} stands in it twice; pack it anew")
    seen.add(inside)
    return inside


def _check_size(path: Path, name: str, size_bytes: int) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise InputError(
            f"{path}: {name} has {size_bytes:,} bytes, at most {MAX_FILE_BYTES:,} are read; shrink or remove it"
        )


def is_junk(name: str) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in name.split("/"))


def _fail(error: OSError) -> None:
    raise error
