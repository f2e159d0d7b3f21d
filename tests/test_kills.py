"""Kills at random moments: what is killed and started again ends with the bytes and the records of what is not.

LADDER_KILLS says how many (`make kills`), shared by runs of one and of two stages at a time.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import pipeline
from ladder.verifying import outputs
from pipeline import Pipeline

KILLS = int(os.environ.get("LADDER_KILLS", "25"))
TARGETS = ("quantize", "mc_dropout", "evaluate@distill_static")  # with a teacher, its student and what follows
VICTIMS = ("the starter", "a process of it", "all")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Pipeline:
    """The tiny pipeline with trainings long enough to be cut."""
    made = pipeline.create(tmp_path_factory.mktemp("start"))
    for group in ("student", "effnet", "resnet"):
        pipeline.set_epochs(made, group, 12)
    made.commit("twelve epochs")
    return made


@pytest.fixture(scope="module")
def uninterrupted(start, tmp_path_factory) -> tuple[Pipeline, float]:
    """A run that nobody killed, and the seconds that it took."""
    made = clone(start, tmp_path_factory.mktemp("uninterrupted") / "clone")
    began = time.monotonic()
    with (made.folder / "../output.txt").open("w") as output:
        assert started(made, 1, output).wait() == 0, said(made)
    return made, time.monotonic() - began


def clone(source: Pipeline, folder: Path) -> Pipeline:
    source.run("git", "clone", "--quiet", f"file://{source.folder}", str(folder))
    return Pipeline(folder)


def started(made: Pipeline, jobs: int, output) -> subprocess.Popen:
    """What `make repro JOBS=n` does."""
    environment = pipeline.ENVIRONMENT | {"PYTHONPATH": str(made.folder / "src")}
    where = {"cwd": made.folder, "env": environment, "stdout": output, "stderr": subprocess.STDOUT}
    subprocess.run([sys.executable, "tools/mend_lock.py"], check=True, **where)
    return subprocess.Popen([sys.executable, "-m", "ladder.running.repro", "--jobs", str(jobs), *TARGETS], **where)


def said(made: Pipeline) -> str:
    return (made.folder / "../output.txt").read_text()[-3000:]


def kill(process: subprocess.Popen, victim: str, draw: random.Random) -> None:
    """Kill in the middle of things; what is left of the run ends by itself, or is waited for by the next one."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    chosen = {"the starter": family[:1], "a process of it": [draw.choice(family)], "all": family}[victim]
    for member in chosen:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_killed_at_random_moments_ends_with_the_same_bytes_and_records(start, uninterrupted, tmp_path, jobs):
    expected, seconds = uninterrupted
    draw, left, runs = random.Random(jobs), KILLS // 2 + (KILLS % 2 if jobs == 1 else 0), 0
    assert left > 0
    while left:
        runs += 1
        made = clone(start, tmp_path / "clone")
        while True:
            victim = draw.choice(VICTIMS)
            with (tmp_path / "output.txt").open("a") as output:
                process = started(made, jobs, output)
                try:
                    code = process.wait(timeout=draw.uniform(0.1, seconds / 3) if left else None)
                except subprocess.TimeoutExpired:
                    print(f"kill {left}: {victim}")
                    kill(process, victim, draw)
                    process.wait()
                    left -= 1
                    continue
            assert code == 0, said(made)
            break
        record, whole = made.lock(), expected.lock()
        assert record == whole, f"run {runs}: dvc.lock holds other records"
        found = outputs.compare(expected.folder, made.folder, {name: sorted(made.md5s(name)) for name in whole})
        assert [name for it in found for name in it.files] == [], f"run {runs}"
        shutil.rmtree(made.folder)
