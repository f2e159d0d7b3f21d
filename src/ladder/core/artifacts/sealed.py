"""Files that carry a sha256 of what was written, so that a reader takes the whole content or none.

A .zip or .npz carries it in its comment, over all bytes before; a JSON in its last key, with those of the files that
it describes. Whatever else is found, a byte flipped in DVC's cache too, is one InputError.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ladder.core.artifacts import files
from ladder.core.errors import InputError

DIGITS = 64  # of a sha256 in hexadecimal
KEY, ITSELF = "digests", "this file"
CHUNK = 1 << 20  # bytes


@contextmanager
def reading(path: str | Path, kind: str, makes: str) -> Iterator[None]:
    """Turn whatever a parser raises in the block into one InputError that says how to have the file again.

    Out of memory is no property of a file, and passes.

    Args:
        path: what is read.
        kind: what it should hold, for the message.
        makes: the command that makes it.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError as error:
        missing = str(error.filename or path)
        about = "" if missing == str(path) else f"{path} holds no {kind}: "
        raise InputError(f"{about}{missing} is missing: {makes}") from None
    except PermissionError as error:
        found = error.filename or path
        raise InputError(f"{found} may not be read by this user: `chmod -R u+rX {found}` allows it") from None
    except Exception as error:  # a damaged file leads parsers into errors of a dozen types: they mean the same
        why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise InputError(
            f"{path} holds no {kind} ({why}): `python tools/mend_cache.py` removes what is damaged here and in DVC's"
            f" cache, then {makes}"
        ) from error


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write one archive of plain arrays; equal arrays give equal bytes."""
    with files.atomic(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # not compressed: zlib's bytes differ between versions
        seal_zip(temporary)


def read_npz(path: str | Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of what `write_npz` wrote, which must be those named. Raises ValueError or whatever NumPy does."""
    check_zip(path)
    with np.load(path, allow_pickle=False) as archive:
        if set(archive.files) != set(names):
            raise ValueError(f"arrays {', '.join(sorted(archive.files))}, expected {', '.join(sorted(names))}")
        return {name: archive[name] for name in names}


def seal_zip(path: Path) -> None:
    """Put the digest into the comment of a .zip."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = bytes(DIGITS)
    with path.open("r+b") as file:
        digest = _sha256_before(file, path.stat().st_size - DIGITS)
        file.write(digest.encode())


def check_zip(path: str | Path) -> None:
    """Raises ValueError unless the file is what `seal_zip` made of it."""
    with Path(path).open("rb") as file:
        size = Path(path).stat().st_size
        if size <= DIGITS or _sha256_before(file, size - DIGITS).encode() != file.read():
            raise ValueError("another digest: damaged, cut short, or not written by this version")


def write_json(path: str | Path, values: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Write plain values and, as the last key, digests: those given, by name, and that of the JSON itself."""
    files.write_json(path, {**values, KEY: {**digests, ITSELF: _of_values(values, digests)}})


def read_json(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The values and the given digests of what `write_json` wrote. Raises ValueError, or whatever a parser does."""
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(values, dict) or not isinstance(values.get(KEY), dict):
        raise ValueError(f"{Path(path).name} is no object whose last key is {KEY}")
    digests = values.pop(KEY)
    if digests.pop(ITSELF, None) != _of_values(values, digests):
        raise ValueError(f"{Path(path).name} has another digest: damaged, edited, or not written by this version")
    return values, digests


def check(path: str | Path, digest: str | None) -> None:
    """Raises ValueError unless the file has the digest that stands in the JSON beside it."""
    if sha256(path) != digest:
        raise ValueError(f"{Path(path).name} has another digest than the JSON beside it says")


def sha256(path: str | Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_values(values: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([values, digests], ensure_ascii=False).encode()).hexdigest()


def _sha256_before(file: Any, end: int) -> str:
    """sha256 of the first `end` bytes of an open file, which stands there afterwards."""
    found, left = hashlib.sha256(), end
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        found.update(chunk)
        left -= len(chunk)
    return found.hexdigest()
