"""Small pipelines of shell stages in temporary Git and DVC repositories."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

import pipeline
from imports import SRC

ENVIRONMENT = pipeline.ENVIRONMENT | {"PYTHONPATH": str(SRC)}
REPRO = [sys.executable, "-m", "ladder.running.repro"]


def create(folder: Path, stages: dict) -> Path:
    """A repository whose stages are given as in dvc.yaml; each appends its name to `started` in the folder."""
    for command in (
        ["git", "init", "--quiet", "--initial-branch", "main"],
        [sys.executable, "-m", "dvc", "init", "-q"],
    ):
        subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    (folder / ".gitignore").write_text("/started\n")
    write(folder, stages)
    commit(folder, "start")
    return folder


def write(folder: Path, stages: dict) -> None:
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))


def stage(name: str, needs: tuple[str, ...] = (), then: str = "true", **more) -> dict:
    """A stage that marks its start, does `then`, and writes what it needs and its name to the file `name`."""
    return {
        "cmd": f"echo {name} >> started; {then} && cat {' '.join(needs)} /dev/null > {name} && echo {name} >> {name}",
        "outs": [name],
        **({"deps": list(needs)} if needs else {}),
        **more,
    }


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(["git", *arguments], cwd=folder, env=ENVIRONMENT, check=check, text=True, capture_output=True)


def repro(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*REPRO, *arguments], cwd=folder, env=ENVIRONMENT | environment, text=True, capture_output=True, timeout=120
    )


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*REPRO, *arguments], cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def started(folder: Path) -> list[str]:
    """The stages whose commands have run, in order."""
    path = folder / "started"
    return path.read_text().split() if path.exists() else []


def forget(folder: Path) -> None:
    (folder / "started").unlink(missing_ok=True)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


def is_running(process: int) -> bool:
    """Whether a process that is no child of this one is alive."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")  # ended, not yet reaped


def end(process: subprocess.Popen, number: int = signal.SIGKILL) -> tuple[str, str]:
    process.send_signal(number)
    return process.communicate(timeout=60)
