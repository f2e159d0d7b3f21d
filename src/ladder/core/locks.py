"""Locks on files: one writer at a time. The system frees them when their process dies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ladder.core.errors import InputError


@contextmanager
def held(path: Path, busy: str) -> Iterator[Callable[[], None]]:
    """Hold the lock file `path`. Waits, saying `busy`, for another.

    Gives a check for the end of the work, since whoever removes the file (`rm -r .ladder`) lets others in beside us:
    it says so if it is gone, and raises InputError if another run holds a new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{busy} (a stage outlives a killed dvc): waiting for it to end", flush=True)
        lock.acquire()
    ours = _inode(path)

    def still_ours() -> None:
        now = _inode(path)
        if now is None:
            print(f"{path} was removed meanwhile: nothing was lost, but remove .ladder/ only while no stage runs")
        elif now != ours:
            raise InputError(
                f"{path} was removed meanwhile, and another run started beside this one: what they wrote may be mixed"
                " and was removed; run it again, and remove .ladder/ only while no stage runs"
            )

    try:
        yield still_ours
    finally:
        lock.release()


@contextmanager
def free(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` if nobody does; False, at once, if somebody does."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
