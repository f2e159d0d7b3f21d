"""Fail while a stage runs here or in the demo: `make clean` must not take its lock and its state away.

The standard library alone: it works before anything is installed.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (Path(), Path(".demo"))


def refuse(command: str) -> None:
    """Exit, naming the stages that run; where none has taken its lock yet, or one has just ended, what runs them."""
    stages = {path.stem for folder in FOLDERS for path in folder.glob(".ladder/locks/*.lock") if is_held(path)}
    running = stages or {name for folder in FOLDERS for name in runners(folder)}
    if running:
        names = ", ".join(sorted(running))
        sys.exit(f"{command}: {names} runs, and nothing was removed: wait for it or stop it first")


def runners(folder: Path) -> Iterator[str]:
    if is_held(folder / ".dvc/tmp/repro.lock"):
        yield "make repro"
    try:
        noted = json.loads((folder / ".dvc/tmp/rwlock").read_text())["read"]  # path -> the DVCs that run its stages
        processes = {int(reader["pid"]) for readers in noted.values() for reader in readers}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or cut short
        return
    yield from (f"dvc (process {process})" for process in processes if is_dvc(process))


def is_dvc(process: int) -> bool:
    """Of a DVC that was killed its note stays, and its number may be another's by now."""
    try:
        os.kill(process, 0)
        return b"dvc" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:  # macOS
        return True
    except (OSError, OverflowError):
        return False


def is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


if __name__ == "__main__":
    refuse(sys.argv[1])
