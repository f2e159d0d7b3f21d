"""The process that ends a command with whoever started it."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import small
from ladder.running import guard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups")


def start(folder: Path, script: str) -> subprocess.Popen:
    """A guard of a shell that writes its process id to the file `process` first."""
    command = [sys.executable, "-I", "-S", guard.__file__, str(folder / "lock"), "sh", "-c"]
    return subprocess.Popen([*command, f"echo $$ > {folder}/process; {script}"], stdin=subprocess.PIPE)


def shell(folder: Path) -> int:
    file = folder / "process"
    small.until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_it_ends_as_its_command_does(tmp_path, script, code):
    assert start(tmp_path, script).wait(timeout=30) == code


def test_what_a_failed_command_left_behind_is_ended(tmp_path):
    guarded = start(tmp_path, f"sleep 600 & echo $! > {tmp_path}/left; exit 3")
    assert guarded.wait(timeout=30) == 3
    assert not small.is_running(int((tmp_path / "left").read_text()))


def test_a_dvc_that_may_be_writing_its_lock_file_is_let_finish(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guarded = start(tmp_path, "sleep 600")
        command = shell(tmp_path)
        guarded.stdin.close()
        time.sleep(1)
        assert small.is_running(command)
    guarded.wait(timeout=guard.GRACE)
    assert not small.is_running(command)


def test_but_not_for_ever(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guarded = start(tmp_path, "sleep 600")
        command = shell(tmp_path)
        guarded.stdin.close()
        guarded.wait(timeout=30)
        assert not small.is_running(command)


def test_what_is_kept_open_outlives_a_guard_that_is_killed(tmp_path):
    """So the next `make repro` waits for a command that nobody guards any more."""
    with open(tmp_path / "kept", "w") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        command = [sys.executable, "-I", "-S", guard.__file__, str(tmp_path / "lock"), "sh", "-c"]
        guarded = subprocess.Popen(
            [*command, f"echo $$ > {tmp_path}/process; exec sleep 600"], stdin=subprocess.PIPE, pass_fds=[kept.fileno()]
        )
        orphan = shell(tmp_path)
    small.end(guarded)
    with open(tmp_path / "kept") as again:
        with pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.kill(orphan, signal.SIGKILL)
        fcntl.flock(again, fcntl.LOCK_SH)
