"""DVC's list of who reads and writes what (.dvc/tmp/rwlock), without those that have ended.

DVC itself drops a process that is gone. It takes for running one that was killed and still waits for its parent to ask
how it ended (for ever in a container whose first process never asks), and one that got the number of a killed one.
"""

from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, _edit_rwlock

from ladder.core.errors import InputError

INEXACT = 2.0  # seconds, of the time at which a process was started


def forget_ended(repo: Repo) -> None:
    """Take off the list what would stop `dvc` for no reason. Raises: InputError for a list that is damaged."""
    listed = Path(repo.tmp_dir) / RWLOCK_FILE
    written = listed.stat().st_mtime if listed.exists() else 0.0
    try:
        with _edit_rwlock(repo.tmp_dir, repo.fs, repo.config["core"].get("hardlink_lock", False)) as noted:
            noted["write"] = {path: who for path, who in noted["write"].items() if runs(who, written)}
            noted["read"] = {path: [who for who in them if runs(who, written)] for path, them in noted["read"].items()}
    except DvcException as error:
        raise InputError(str(error)) from None


def runs(who: dict[str, Any], written: float) -> bool:
    """Whether the process `pid` of an entry still runs, and may be the one that made the entry before `written`."""
    try:
        process = psutil.Process(who["pid"])
        ending = not process.cmdline()  # from the moment on in which it gives its memory back
        return not ending and process.create_time() <= written + INEXACT
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
