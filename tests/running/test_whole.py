"""The pipeline itself on several machines, whose work is united."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline import Pipeline, ran


def clone(source: Pipeline, folder: Path) -> Pipeline:
    """A clone with a DVC cache of its own, which has the merge driver."""
    source.run("git", "clone", "--quiet", f"file://{source.folder}", str(folder))
    made = Pipeline(folder)
    made.run("tools/register_merge.sh")
    return made


def repro(made: Pipeline, *arguments: str) -> str:
    environment = pipeline.ENVIRONMENT | {"PYTHONPATH": str(made.folder / "src")}
    command = [sys.executable, "-m", "ladder.running.repro", *arguments]
    done = subprocess.run(command, cwd=made.folder, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_two_machines_did_is_united_and_the_third_runs_nothing(tmp_path):
    start = pipeline.create(tmp_path / "start")
    start.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    start.commit("a remote")
    shares = {"one": ["train_baseline", "train_aug"], "two": ["train_student"]}
    for name, targets in shares.items():
        machine = clone(start, tmp_path / name)
        machine.run("git", "switch", "--quiet", "--create", name)
        repro(machine, "--jobs", "2", *targets)
        machine.commit(f"what {name} trained")
        machine.run("dvc", "push", "--quiet")
        machine.run("git", "push", "--quiet", "origin", name)

    third = clone(start, tmp_path / "third")
    for name in shares:
        third.run("git", "merge", "--no-edit", f"origin/{name}")
    trained = [target for targets in shares.values() for target in targets]
    assert set(trained) <= third.lock().keys()
    output = third.run("dvc", "repro", "--pull", *trained)
    assert not ran(output)
    assert third.run("git", "status", "--porcelain") == ""
    for target in trained:
        assert os.path.getsize(third.folder / f"predictions/trained/{target}.npz")
