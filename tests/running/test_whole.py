"""The pipeline itself: several stages at a time give the bytes of one at a time; several machines' work is united."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from dvcfile import STAGES, downstream, outs
from pipeline import Pipeline, ran

MEASURED = downstream({"benchmark"})  # whose bytes a clock decides


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


def contents(made: Pipeline) -> dict[str, bytes]:
    """All files that stages write, but what a clock measures."""
    measured = set().union(*(outs(STAGES[name]) for name in MEASURED))
    written = [made.folder / path for stage in STAGES.values() for path in outs(stage) - measured]
    files = [file for path in written for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {str(file.relative_to(made.folder)): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.slow
def test_two_at_a_time_give_the_bytes_of_one_at_a_time(tmp_path, monkeypatch):
    start = pipeline.create(tmp_path / "start")
    several, plain = clone(start, tmp_path / "several"), clone(start, tmp_path / "plain")
    output = repro(several, "--jobs", "2")
    assert f"{len(STAGES)} of {len(STAGES)} stages are stale or may become so; 2 at a time" in output
    monkeypatch.setitem(pipeline.ENVIRONMENT, "OMP_NUM_THREADS", "2")  # hardware.threads says 1
    assert ran(plain.run("dvc", "repro")) == set(STAGES)

    ours, theirs = contents(several), contents(plain)
    assert ours.keys() == theirs.keys()
    assert [path for path in ours if ours[path] != theirs[path]] == []
    recorded, expected = several.lock(), plain.lock()
    assert {name for name in expected if recorded[name] != expected[name]} <= MEASURED
    assert "up to date" in several.run("dvc", "repro")


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
