"""Temporary copies of a tree, without DVC's cache and without the results that are to be made in them."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, parse_yaml

from ladder.core.errors import InputError
from ladder.verifying.plan import Plan, changed, outputs

LOCK = "dvc.lock"
ARCHIVES = "data/archives"  # the one input that no stage declares: the digests of what it holds are pinned in the code


def make(source: Path, copy: Path) -> None:
    """Clone the repository at `source` as its files are now, committed or not; what Git ignores stays behind."""
    _git(source, "clone", "--quiet", str(source), str(copy))
    for name in _git(source, "ls-files", "--modified", "--others", "--exclude-standard", "-z").split("\0"):
        ours, theirs = source / name, copy / name
        if ours.is_file():  # a folder is another repository
            theirs.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ours, theirs)
        elif name and not ours.exists():
            theirs.unlink(missing_ok=True)


def hand_over(source: Path, copy: Path, plan: Plan) -> None:
    """Give a copy what the stages of the plan need, and take away what they are to make.

    Args:
        plan: that of `source`.
    Raises: InputError where something is not what dvc.lock, or the .dvc file of one's own images, records of it.
    """
    for stage in plan.run:
        for path in outputs(stage):
            _remove(copy / path)
    made = {path for stage in plan.run for path in outputs(stage)}
    needed = [path for stage in plan.given for path in outputs(stage)]
    needed += [dep.def_path for stage in (*plan.given, *plan.run) for dep in stage.deps]
    for path in needed:
        if not any(path == other or other.startswith(f"{path}/") for other in made) and (source / path).exists():
            _bring(source / path, copy / path)
    if (source / ARCHIVES).is_dir() and not (copy / ARCHIVES).exists():
        (copy / ARCHIVES).parent.mkdir(parents=True, exist_ok=True)
        (copy / ARCHIVES).symlink_to((source / ARCHIVES).resolve(), target_is_directory=True)
    names = {stage.addressing for stage in plan.given}
    _keep_records(copy, names)
    with contextlib.chdir(copy), Repo(str(copy)) as repo:  # DVC names stages as seen from the current folder
        given = [stage for stage in repo.index.stages if stage.addressing in names]
        if wrong := changed(given):
            raise InputError(f"what {', '.join(wrong)} left here is not what {LOCK} records: `make repro` first")
        with repo.lock:
            for stage in given:
                stage.commit()  # DVC runs a stage again whose outputs are not in its cache


def run(copy: Path, names: list[str], jobs: int | None) -> None:
    """Run stages in a copy, its own code, several at a time. Raises InputError if one fails."""
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(copy / "src"),
    }
    command = [sys.executable, "-m", "ladder.running.repro", *(["--jobs", str(jobs)] if jobs else []), *names]
    if subprocess.run(command, cwd=copy, env=environment).returncode:
        raise InputError(f"the run in {copy} failed: see its lines above")


def _bring(ours: Path, theirs: Path) -> None:
    """Copy a file or folder, unless it came with the clone."""
    if theirs.exists():
        return
    theirs.parent.mkdir(parents=True, exist_ok=True)
    if ours.is_dir():
        shutil.copytree(ours, theirs)
    else:
        shutil.copy2(ours, theirs)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keep_records(copy: Path, names: set[str]) -> None:
    """Forget what dvc.lock records of other stages than those named."""
    lock = copy / LOCK
    if lock.exists():
        content = parse_yaml(lock.read_text(encoding="utf-8"), lock)
        content["stages"] = {name: record for name, record in (content.get("stages") or {}).items() if name in names}
        lock.write_text(dumps_yaml(content), encoding="utf-8", newline="\n")


def _git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(tree), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`git {' '.join(arguments)}` failed in {tree}: {done.stderr.strip()}")
    return done.stdout
