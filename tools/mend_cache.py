"""Remove what is damaged in DVC's cache and among the results in the workspace, so that `dvc repro` makes it again.

DVC takes a read-only object of its cache for what its name says, and does not write one that exists: `dvc repro -f`
leaves a damaged one where it is, and the next checkout brings the damage back. Here every object and every cached
result is read and compared with its md5.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import held
from dvc.exceptions import DvcException
from dvc.repo import Repo

from ladder.core.artifacts import files
from ladder.core.errors import exit_on_input_error

OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")
READ_ONLY = 0o444  # by which DVC knows an object that is whole


def main() -> None:
    held.refuse("mend_cache")
    try:
        repo = Repo()
        outs = {Path(out.fs_path): out.hash_info.value for out in cached_outs(repo)}
    except DvcException as error:
        sys.exit(f"mend_cache: {error}: `python tools/mend_lock.py` mends dvc.lock")
    cache = Path(repo.cache.local.path)
    objects = [path for path in cache.glob("??/*") if OBJECT.fullmatch(path.name)]
    damaged = {name_of(path): path for path in objects if md5(path) + path.suffix != name_of(path)}
    for path in damaged.values():
        path.unlink()

    found, removed, back = len(damaged), [], 0
    for out, recorded in outs.items():
        if not os.path.lexists(out):
            continue
        contents = contents_of(out)
        if recorded not in contents:  # damaged, or not what was recorded: either way DVC makes or fetches it
            remove(out)
            removed.append(os.path.relpath(out))
            continue
        for name in contents.keys() & damaged.keys():  # the result is whole: so the object can be
            restore(damaged.pop(name), contents[name])
            back += 1
    print(f"mend_cache: {len(objects):,} objects of the cache: {found} damaged and removed, {back} written again")
    if removed:
        print(
            f"mend_cache: not what dvc.lock says, and removed: {', '.join(removed)}; `dvc repro` makes what is missing"
        )


def cached_outs(repo: Any) -> list[Any]:
    """What stages wrote and DVC keeps; one's own data (`dvc add`) are nobody's to remove."""
    stages = [stage for stage in repo.index.stages if stage.cmd]
    return [out for stage in stages for out in stage.outs if out.use_cache and out.hash_info]


def contents_of(out: Path) -> dict[str, Path | bytes]:
    """Object name -> the file that holds its content; for a folder, also its listing as DVC writes it."""
    if out.is_file():
        return {md5(out): out}
    files_in = sorted(path for path in out.rglob("*") if path.is_file())
    found: dict[str, Path | bytes] = {}
    listed = []
    for path in files_in:
        name = md5(path)
        found[name] = path
        listed.append({"md5": name, "relpath": path.relative_to(out).as_posix()})
    listed.sort(key=lambda entry: entry["relpath"])
    listing = json.dumps(listed, sort_keys=True).encode()
    found[hashlib.md5(listing).hexdigest() + ".dir"] = listing
    return found


def restore(path: Path, content: Path | bytes) -> None:
    files.write_bytes(path, content if isinstance(content, bytes) else content.read_bytes())
    path.chmod(READ_ONLY)


def remove(out: Path) -> None:
    shutil.rmtree(out) if out.is_dir() and not out.is_symlink() else out.unlink()


def name_of(path: Path) -> str:
    return path.parent.name + path.name


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


if __name__ == "__main__":
    exit_on_input_error(main)
