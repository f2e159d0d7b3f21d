"""Fail while a stage runs here or in the demo: `make clean` must not take its lock and its state away.

The standard library alone: it works before anything is installed.
"""

import fcntl
import sys
from pathlib import Path

LOCKS = (".ladder/locks/*.lock", ".demo/.ladder/locks/*.lock")


def refuse(command: str) -> None:
    """Exit, naming the stages that run."""
    running = sorted({path.stem for pattern in LOCKS for path in Path().glob(pattern) if is_held(path)})
    if running:
        sys.exit(f"{command}: {', '.join(running)} runs, and nothing was removed: wait for it or stop it first")


def is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


if __name__ == "__main__":
    refuse(sys.argv[1])
