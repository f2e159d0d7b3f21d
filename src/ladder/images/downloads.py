"""A published archive: found in a folder or downloaded into it, checked either way."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ladder.core.errors import InputError
from ladder.images.archives import SUFFIXES

TIMEOUT_S = 30  # without a byte from the server

Checked = TypeVar("Checked")


@dataclass(frozen=True)
class Archive:
    """Its address, the name of a download, the names (globs) it is looked for under, and the digest that must hold."""

    url: str
    file: str
    patterns: tuple[str, ...]
    digest: str


def locate(archive: Archive, folder: Path, check: Callable[[Path], Checked]) -> tuple[Path, Checked]:
    """The archive's path in `folder`, and what `check` made of it; of several that match, the first by name.

    `check` raises InputError for a wrong file. A download gets its name in `folder` only after it has passed.
    Raises: InputError for a download that fails, for an archive that lies in the `raw` beside `folder`, where it was
    looked for before, and `check`'s.
    """
    for path in _found(archive, folder):
        return path, check(path)
    for path in _found(archive, folder.with_name("raw")):
        raise InputError(f"{path} lies where archives were looked for before: move it into {folder} (nothing was done)")

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            path = Path(temporary) / archive.file
            _download(archive.url, path)
            checked = check(path)
            return path.replace(folder / archive.file), checked
    except OSError as error:  # of the disk or, as requests' errors are OSErrors too, of the network
        raise InputError(
            f"{archive.url} could not be downloaded to {folder} ({error}). Try again, or put {archive.file} there"
            " yourself; data.source: digits needs no download"
        ) from None
    except InputError as error:
        raise InputError(f"the download from {archive.url} was not kept: {error}") from None


def _found(archive: Archive, folder: Path) -> list[Path]:
    found = sorted(path for pattern in archive.patterns for path in folder.glob(pattern))
    return [path for path in found if path.is_dir() or path.name.lower().endswith(SUFFIXES)]


def match(path: Path, digest: str, archive: Archive) -> None:
    """Raises: InputError unless `digest`, that of the file at `path`, is the published one."""
    if digest != archive.digest:
        raise InputError(
            f"{path} has {digest}, expected {archive.digest}: it is not the published file or is damaged."
            f" Delete it to have it downloaded from {archive.url}"
        )


def _download(url: str, path: Path) -> None:
    import pooch  # brings requests: slow to import, and rarely needed

    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=2**16, timeout=TIMEOUT_S)
    fetch(url, str(path), None)
