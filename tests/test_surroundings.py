"""Where and by what a clone is run: without Git, under any path, by a Python without packages, in a linked .venv."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from imports import ROOT, SRC

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make and its scripts want bash")


def shell(folder: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=folder, env=pipeline.ENVIRONMENT, capture_output=True, text=True)


def clone(folder: Path) -> Path:
    folder.mkdir(parents=True)
    assert shell(folder, "git", "init", "--quiet").returncode == 0
    assert shell(folder, "git", "commit", "--quiet", "--allow-empty", "--message", "start").returncode == 0
    return folder


def refusal(folder: Path) -> str:
    """The one line by which tools/check_clone.sh refuses a folder, besides what Git says; empty if it does not."""
    ended = shell(folder, str(ROOT / "tools/check_clone.sh"))
    ours = [line for line in ended.stderr.splitlines() if not line.startswith("fatal: ")]
    assert (ended.returncode, len(ours)) in ((0, 0), (1, 1)), ended.stderr
    return "".join(ours)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "per%25cent", "ha#sh, quo'te\"", "ümläut-日本", "$HOME", "a\nb"]
)
def test_a_clone_under_most_paths_is_fine(tmp_path, name):
    assert refusal(clone(tmp_path / name)) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"a:b", "colons separate the folders of PATH"),
        (b"{a}", "DVC takes the braces"),
        (b"caf\xe9", "is no UTF-8"),
    ],
)
def test_paths_that_tools_cannot_take_are_named(tmp_path, name, reason):
    assert reason in refusal(clone(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))))


def test_a_folder_without_commits_is_told_to_make_one(tmp_path):
    """As from a ZIP download, also inside another repository."""
    advice = "is no Git repository with a commit (a ZIP download is none), and DVC needs one: git init"
    assert advice in refusal(tmp_path)
    assert shell(tmp_path, "git", "init", "--quiet").returncode == 0
    assert advice in refusal(tmp_path)
    inside = clone(tmp_path / "other") / "download"
    inside.mkdir()
    assert advice in refusal(inside)
    assert refusal(clone(inside / "clone")) == ""  # a clone inside another repository is one


@pytest.mark.parametrize("script", ["split", "train"])
def test_a_python_without_packages_is_told_of_the_environment(script):
    ended = subprocess.run(
        [sys.executable, "-S", ROOT / f"stages/{script}.py"],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert re.fullmatch(r"ladder: this Python \(.+\) has no \w+: activate the environment .*or use make", line)


def test_packages_are_installed_when_they_change_not_when_times_do(tmp_path):
    """Two clones with one .venv."""
    calls = tmp_path / "calls"
    python = tmp_path / "one/.venv/bin/python"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("requirements.txt", "pyproject.toml"):
            (tmp_path / name / file).write_text("a==1\n")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n')
    python.chmod(0o755)
    (tmp_path / "two/.venv").symlink_to(tmp_path / "one/.venv")

    def installs(name: str) -> bool:
        calls.write_text("")
        ended = shell(tmp_path / name, str(ROOT / "tools/setup.sh"), sys.executable)
        assert ended.returncode == 0, ended.stderr
        return "install" in calls.read_text()

    assert installs("one")
    assert not installs("one")
    assert not installs("two")
    os.utime(tmp_path / "two/requirements.txt")
    assert not installs("two")
    stamp = (tmp_path / "one/.venv/.installed").stat()
    assert stamp.st_mtime >= (tmp_path / "two/requirements.txt").stat().st_mtime  # so that make asks no more
    (tmp_path / "two/requirements.txt").write_text("a==2\n")
    assert installs("two")


@pytest.mark.parametrize(("minor", "fits"), [(10, False), (11, True), (14, True), (15, False)])
def test_setup_takes_the_pythons_that_all_pinned_packages_exist_for(tmp_path, minor, fits):
    """With a Python that says it is another one, and packages that are there already."""
    (tmp_path / ".venv").mkdir()
    for file in ("requirements.txt", "pyproject.toml", ".venv/.installed"):
        (tmp_path / file).touch()
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\nimport sys\nsys.version_info = (3, {minor}, 0, 'final', 0)\nexec(sys.argv[2])\n"
    )
    python.chmod(0o755)
    ended = shell(tmp_path, str(ROOT / "tools/setup.sh"), str(python))
    assert (ended.returncode == 0) == fits
    assert fits or re.fullmatch(rf"setup: .+ is Python 3\.{minor}, but 3\.11 to 3\.14 is needed: .+\n", ended.stderr)


def test_make_runs_the_code_of_its_own_clone(tmp_path):
    """Its .venv may be a link to that of another, where `ladder` was installed."""
    (tmp_path / "src/ladder").mkdir(parents=True)
    (tmp_path / "src/ladder/__init__.py").touch()
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    (tmp_path / "more.mk").write_text("where: ; @python -c 'import ladder; print(ladder.__file__)'\n")
    ended = shell(tmp_path, "make", "-f", str(ROOT / "Makefile"), "-f", "more.mk", "where")
    assert ended.stdout == f"{tmp_path}/src/ladder/__init__.py\n"
    shutil.copy(ROOT / ".gitignore", clone(tmp_path / "repository"))
    (tmp_path / "repository/.venv").symlink_to(Path(sys.prefix))
    assert shell(tmp_path / "repository", "git", "check-ignore", ".venv").stdout == ".venv\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["per%25cent ha#sh, quo'te", "ümläut-日本\n$HOME"])
def test_the_demo_begins_under_odd_paths(tmp_path, name):
    """Its clone, its params, the shared cache and a first stage."""
    (tmp_path / name).mkdir()
    repository = pipeline.create(tmp_path / name)
    script = repository.folder / "tools/demo.sh"
    beginning = re.match(r".*^dvc cache dir [^\n]*\n", script.read_text(), re.DOTALL | re.MULTILINE)
    script.write_text(beginning[0] + "dvc repro split\n")
    repository.commit("a short demo")
    repository.run("tools/demo.sh")
    repository.run("tools/demo.sh")  # finds its clone
    assert (repository.folder / ".demo/data/split").is_dir()
    assert any((repository.folder / ".dvc/cache/files").iterdir())
