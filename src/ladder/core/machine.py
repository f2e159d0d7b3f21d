"""What the machine lacks, in words that say what to do: room on a disk, permission, memory."""

import errno
import os
import shutil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "cannot allocate memory",
)
NO_ROOM = "no space left on device"


def explain(error: BaseException) -> str | None:
    """What to tell about an error that the machine is the cause of, itself or what it came from; None for others."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and (message := _of_files(found)):
            return message
        if is_out_of_memory(found):
            return (
                f"out of memory ({first_line(found)}): end other programs, run fewer stages at a time (`make repro"
                " JOBS=1`), or raise the limit (`ulimit -v`, a container's)"
            )
        if NO_ROOM in str(found).lower():  # a library's own error, without a path
            return (
                f"a disk is full ({first_line(found)}): make room (`df -h` shows where), then the same command goes on"
            )
        found = found.__cause__ or _met_while_closing(found)
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is one of those by which Python, torch and ONNX Runtime say so."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()  # torch's and ONNX Runtime's are RuntimeErrors like any other, the loader's ImportErrors
    return isinstance(error, RuntimeError | ImportError) and any(words in text for words in NO_MEMORY)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _met_while_closing(error: BaseException) -> BaseException | None:
    """The full disk behind an error of closing what could not be written; other errors on the way are no cause."""
    behind = None if error.__suppress_context__ else error.__context__
    return behind if isinstance(behind, OSError) and behind.errno in FULL else None


def _of_files(error: OSError) -> str | None:
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    what = str(path or "a file")
    if error.errno in FULL:
        quota = ", or this user's share of it," if error.errno == errno.EDQUOT else ""
        return (
            f"the disk is full: {what} could not be written{_sizes(error)}: {_room(path)}{quota} is used up; make room"
            " (`dvc gc -w --force` removes what the cache no longer needs), then the same command goes on"
        )
    if error.errno == errno.EROFS:
        return (
            f"{what} cannot be written: {_mount(path)} is a read-only file system: mount it writable or work elsewhere"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{what}: this user has no permission: change it or its folder (`chmod`, `chown`), then run it again"
    if error.errno == errno.EFBIG:
        return f"{what} would be larger than allowed{_sizes(error)}: see `ulimit -f`, then run it again"
    return None


def _sizes(error: BaseException) -> str:
    notes = getattr(error, "__notes__", [])
    return f" ({'; '.join(notes)})" if notes else ""


def _room(path: Path | None) -> str:
    usage = shutil.disk_usage(_existing(path))
    return f"{_mount(path)}, with {usage.free / 1e6:.1f} MB free of {usage.total / 1e6:,.1f} MB,"


def _mount(path: Path | None) -> Path:
    """The top folder of the file system that a path lies on."""
    found = _existing(path)
    while not found.is_mount():
        found = found.parent
    return found


def _existing(path: Path | None) -> Path:
    found = (path or Path()).absolute()
    while not found.exists():
        found = found.parent
    return found.resolve()
