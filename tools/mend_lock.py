"""Mend what a kill leaves where DVC itself was writing, which stops every later `dvc` command; `make repro` begins so.

DVC writes dvc.lock and its list of locks (.dvc/tmp/rwlock) in place: killed meanwhile, it leaves them empty or half. A
dvc.lock that cannot be read becomes the last one that could, else that of the last commit, else none: what was run
since then comes from the run cache. Where another DVC runs in this repository nothing is touched.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import zc.lockfile
from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import parse_yaml
from voluptuous import Invalid

from ladder.core.artifacts import files
from ladder.core.errors import exit_on_input_error

LOCK, TMP, RUNS = Path("dvc.lock"), Path(".dvc/tmp"), Path(".dvc/cache/runs")
KEPT, OTHERS = TMP / "last_whole_dvc.lock", TMP / "rwlock"


def main() -> None:
    TMP.mkdir(parents=True, exist_ok=True)
    try:
        running = zc.lockfile.LockFile(str(TMP / "lock"))
    except zc.lockfile.LockError:
        return  # another DVC runs, and may be writing
    try:
        _mend_lock()
        _mend_list_of_locks()
        for half in RUNS.glob("*/*/.*.tmp"):  # DVC takes the newest file for the newest run
            half.unlink()
    finally:
        running.close()


def _mend_lock() -> None:
    if not LOCK.exists():
        return
    content = LOCK.read_bytes()
    committed = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True).stdout
    kept = KEPT.read_bytes() if KEPT.exists() else b""
    copies = {"the last whole one": kept, "that of the last commit": committed}
    is_beginning = any(copy.startswith(content) and copy != content for copy in copies.values())
    if is_whole(content) and (content == committed or not is_beginning):
        if kept != content:
            files.write_bytes(KEPT, content)
        return
    if re.search(rb"^(<{7}|>{7}) ", content, flags=re.MULTILINE):
        sys.exit(f"mend_lock: {LOCK} holds the conflicts of a merge: `git checkout --ours {LOCK}`, then run again")
    whose = next((whose for whose, copy in copies.items() if is_whole(copy)), None)
    if whose:
        files.write_bytes(LOCK, copies[whose])
    else:
        LOCK.unlink()
        whose = "none: DVC writes it anew"
    print(f"mend_lock: {LOCK} was cut short while DVC wrote it, and is now {whose}; the run cache has what ran since")


def is_whole(content: bytes) -> bool:
    """Whether DVC can read a dvc.lock, and has written it to the end of a line (half a file may be valid YAML)."""
    if not content.endswith(b"\n"):
        return False
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(content.decode(), LOCK))
    except (DvcException, Invalid, UnicodeDecodeError, ValueError, TypeError, AttributeError):
        return False
    return True


def _mend_list_of_locks() -> None:
    if not OTHERS.exists():
        return
    try:
        whole = isinstance(json.loads(OTHERS.read_bytes()), dict)
    except ValueError:
        whole = False
    if not whole:
        OTHERS.unlink()
        print(f"mend_lock: {OTHERS} was cut short while DVC wrote it, and was removed: no DVC runs here")


if __name__ == "__main__":
    exit_on_input_error(main)
