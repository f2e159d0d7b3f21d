"""The one file that `images` keeps of a source: the same files give the same bytes, whatever they came in.

A .zip, its members sorted by name, without times, and not compressed: what zlib makes of the same bytes differs between
its versions. A .tar would do, too, but takes 512 bytes and more for each file, where this takes about 120, and holds no
checksum of its members.
"""

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ladder.core.artifacts import files, sealed

NAME = "images.zip"

_UNIX = 3  # "made on", which Python fills in with the system it runs on


def write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write name -> bytes as `folder`/images.zip, in a folder that is made if missing."""
    with files.atomic(folder / NAME) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(contents):
                member = zipfile.ZipInfo(name)  # dated 1980-01-01
                member.create_system, member.external_attr = _UNIX, (stat.S_IFREG | 0o644) << 16
                archive.writestr(member, contents[name])
        sealed.seal_zip(temporary)
