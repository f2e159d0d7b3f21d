"""Run a command that ends with whoever started it: python guard.py LOCK COMMAND...

The command gets a process group of its own. When standard input closes (the starter closed it, or died, in whatever
way), or the command fails, the group is told to end (SIGTERM) and killed GRACE seconds later. So one mechanism serves
failures, Ctrl-C and a starter that was killed, on Linux and macOS alike, and reaches the children of the command, too.
What a command moved into a session of its own is out of reach.

LOCK is the lock of DVC's repository. DVC holds it but while a stage's command runs, and writes dvc.lock in place:
a process that was ended then would leave half of it, so the guard takes the lock first, for GRACE seconds at most.
"""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

GRACE = 5.0  # seconds
POLL = 0.05


def main(lock: str, *command: str) -> int:
    # What the starter keeps open here stays open in the command: whoever waits for it outlives a guard that is killed.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, close_fds=False)
    while child.poll() is None and not select.select([0], [], [], POLL)[0]:
        pass
    if child.poll() != 0:
        with _dvc_at_rest(lock):
            _tell(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and _tell(child.pid, 0):
            child.poll()  # or it stays in its group
            time.sleep(POLL)
        _tell(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _dvc_at_rest(lock: str) -> Iterator[None]:
    with open(lock, "a") as file:
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as zc.lockfile, which DVC uses, does
                break
            except BlockingIOError:
                time.sleep(POLL / 2)
        yield


def _tell(group: int, number: int) -> bool:
    """Send a signal to a process group, 0 to none; False if nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # the latter is what macOS says of processes that have ended
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
