"""Files that are either the old one or the whole new one, and the formats that Git and DVC compare well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Nine digits bring back a float32 exactly, and hide the last digits of a float64, which differ between machines.
FLOAT_FORMAT = "%.9g"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a path to write to; it becomes `path` at the end, and is removed if there is an error.

    The temporary file lies in the same folder (made if missing), since a rename is atomic only within a file system.
    Its name is fixed, so that the next run overwrites what a kill left behind; the stage's lock keeps others away.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # as for a full disk, which is met by `write`, not by `open`
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # of a folder that is gone or read-only: what went wrong first is what counts
            temporary.unlink()


def write_bytes(path: str | Path, *pieces: bytes | memoryview) -> None:
    """Write bytes, one piece after the other; an error carries how many, for whoever has to make room."""
    try:
        _write(path, pieces)
    except FileNotFoundError:  # its folder was removed in this instant, as by `rm -r .ladder`
        _write(path, pieces)
    except OSError as error:
        error.add_note(f"{sum(map(len, pieces)) / 1e6:.1f} MB were to be written")
        raise


def write_json(path: str | Path, values: Any) -> None:
    """Write plain values in their given order, floats in full.

    Raises: ValueError for NaN and infinity, which are no JSON.
    """
    text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table without its index, floats with nine digits, NaN as an empty cell."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format=FLOAT_FORMAT, lineterminator="\n", encoding="utf-8")


def _write(path: str | Path, pieces: Iterable[bytes | memoryview]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces)
