"""Files that people name: found and read whatever they are, without waiting and without filling the memory."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ladder.core.errors import InputError
from ladder.images.archives import MAX_FILE_BYTES, is_junk

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def found(path: str) -> tuple[list[str], list[str]]:
    """The files that a path stands for, and a message for each part of it that cannot be searched.

    A file is itself; a folder all files in it and in its folders, sorted, whatever their names, but as in training
    without hidden ones and what systems strew about. Links are followed, and no folder is searched twice.
    """
    if not path:
        return [], ["'' is no path: name an image file, or a folder of them"]
    if not os.path.isdir(path):
        return [path], []
    files: list[Path] = []
    problems: list[str] = []
    waiting, seen = [path], set()
    while waiting:
        folder = waiting.pop()
        try:
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as entries:
                inside = [entry for entry in entries if not is_junk(entry.name)]
        except OSError as error:
            problems.append(f"{folder} cannot be searched ({error.strerror})")
            continue
        waiting += [entry.path for entry in inside if os.path.isdir(entry.path)]
        files += [Path(entry.path) for entry in inside if not os.path.isdir(entry.path)]
    if not files and not problems:
        problems.append(f"{path} holds no image files")
    return [str(file) for file in sorted(files)], sorted(problems)


def read(file: str) -> bytes:
    """The bytes of a regular file.

    Raises: InputError for what is missing, forbidden, no regular file (a pipe, a device, which might never end) or
    larger than MAX_FILE_BYTES.
    """
    try:
        about = os.stat(file)
        if not stat.S_ISREG(about.st_mode):
            kind = _KINDS.get(stat.S_IFMT(about.st_mode), "no file")
            raise InputError(f"{file} is {kind}, not an image file: save the image to a file")
        if about.st_size > MAX_FILE_BYTES:
            raise InputError(_too_large(file, f"{about.st_size:,}"))
        with open(file, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)  # it may grow, and what the kernel shows as a file has no size
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{file} is no path: it holds a NUL character") from None
    if len(content) > MAX_FILE_BYTES:
        raise InputError(_too_large(file, f"more than {MAX_FILE_BYTES:,}"))
    return content


def _too_large(file: str, size: str) -> str:
    return f"{file} has {size} bytes, at most {MAX_FILE_BYTES:,} are read: shrink or remove it"


@contextmanager
def silent_libraries() -> Iterator[None]:
    """libtiff and others write what they find odd about a file to the process' stderr, past Python."""
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
