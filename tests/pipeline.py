"""The project itself in a temporary Git and DVC repository, under the `tiny` preset."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from imports import ROOT

ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@localhost",
}  # fmt: skip
ENVIRONMENT.pop("DVC_ROOT", None)


class Pipeline:
    """Commands in one repository. `run` raises with the output if a command fails."""

    def __init__(self, folder: Path):
        self.folder = folder

    def run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen:
        return subprocess.Popen(
            command, cwd=self.folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def lock(self) -> dict:
        return yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]

    def md5s(self, stage: str) -> dict[str, str]:
        return {out["path"]: out["md5"] for out in self.lock()[stage]["outs"]}


def create(folder: Path) -> Pipeline:
    """A repository with the files of this one that Git tracks or would track, and the tiny preset, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    results = re.compile(r"(metrics|plots|release)/|dvc\.lock|report\.md")
    for name in filter(None, listed.split("\0")):
        if not results.match(name) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    made = Pipeline(folder)
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("git", "-c", "core.safecrlf=false", "add", "--all")
    made.run("env", f"PYTHONPATH={folder / 'src'}", "python", "-m", "ladder.presets", "apply", "tiny")
    made.commit("start")
    return made


def set_epochs(made: Pipeline, group: str, epochs: int) -> None:
    """Have a group of params.yaml train for so many epochs."""
    path = made.folder / "params.yaml"
    text, count = re.subn(
        rf"(^{group}:(?:.*\n)(?:[ #].*\n)*?  epochs:) \d+",
        rf"\1 {epochs}",
        path.read_text(),
        count=1,
        flags=re.MULTILINE,
    )
    assert count == 1, f"no epochs of {group} in params.yaml"
    path.write_text(text)


def ran(output: str) -> set[str]:
    """Stages whose command ran, from the output of `dvc repro` or `dvc exp run`."""
    return set(re.findall(r"Running stage '([^']+)'", output))


def run_the_queue(made: Pipeline, experiments: int) -> str:
    """The status of DVC's queue once two workers have ended so many experiments, with success or without.

    It counts those that have ended: `dvc queue status` lists what runs before what waits, and an experiment that a
    worker takes meanwhile is in neither, so that a queue at work can look as if all were over.
    """
    made.run("bash", "-c", "dvc queue start -j 2 > /dev/null 2>&1")
    for _ in range(600):
        status = made.run("dvc", "queue", "status")
        if len(re.findall(r"\b(?:Success|Failed)\b", status)) == experiments:
            return status
        time.sleep(1)
    pytest.fail(f"the queue did not end in ten minutes:\n{status}")


def wait_for_epochs(history: Path, process: subprocess.Popen, epochs: int) -> None:
    """Until the history of a training run has that many rows; the process must live until then."""
    for _ in range(3000):
        if history.exists() and len(history.read_text().splitlines()) > epochs:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    pytest.fail("no epoch was done in a minute")
