"""The workflow for GitHub Actions: its steps run as they stand, with a make and a gh that only note what they got."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import pipeline
from imports import ROOT
from pipeline import Pipeline

WORKFLOW = YAML(typ="safe").load(ROOT / ".github/workflows/checks.yaml")
STEPS = WORKFLOW["jobs"]["checks"]["steps"]

# What runs the same commands for real: command -> file, and what stands there.
RUN = {
    "make setup PYTHON=python": ("Makefile", "test: setup"),
    "make check-lock": ("tests/test_pipeline.py", "tools/check_lock.py"),
    "make test": (".ci/run", "make test-all"),
    "make demo": (".ci/run", "make demo"),
}


def test_the_steps_are_those_that_are_checked_elsewhere():
    commands = [step["run"].strip() for step in STEPS if "run" in step]
    assert commands[: len(RUN)] == list(RUN)
    for command, (file, text) in RUN.items():
        assert text in (ROOT / file).read_text(encoding="utf-8"), command
    assert [step["name"] for step in STEPS[-2:]] == ["what changed", "comment"]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)


def test_its_pythons_are_those_that_setup_takes():
    bounds = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert bounds is not None
    pythons = [f"3.{minor}" for minor in range(int(bounds[1]), int(bounds[2]))]
    assert WORKFLOW["jobs"]["checks"]["strategy"]["matrix"]["python"] == pythons
    assert f"(3, {pythons[0][2:]}) <= v <= (3, {pythons[-1][2:]})" in (ROOT / "tools/setup.sh").read_text()
    assert f"for v in {' '.join(reversed(pythons))};" in (ROOT / "Makefile").read_text()


@pytest.fixture
def branch(tmp_path) -> Pipeline:
    """A branch whose figures and params differ from main's, in a clone without a cache."""
    origin = Pipeline(tmp_path / "origin")
    (origin.folder / "metrics").mkdir(parents=True)
    (origin.folder / "dvc.yaml").write_text("metrics: [metrics/train_aug.json]\nparams: [params.yaml]\n")
    (origin.folder / "metrics/train_aug.json").write_text('{"accuracy": 0.8587, "nll": 0.4}\n')
    (origin.folder / "params.yaml").write_text("seed: 0\naug: {cutout: 0}\n")
    origin.run("git", "init", "--quiet", "--initial-branch", "main")
    origin.run("dvc", "init", "--quiet")
    origin.commit("start")
    origin.run("git", "clone", "--quiet", f"file://{origin.folder}", str(tmp_path / "clone"))
    clone = Pipeline(tmp_path / "clone")
    clone.run("git", "switch", "--quiet", "--create", "other")
    (clone.folder / "metrics/train_aug.json").write_text('{"accuracy": 0.8612, "nll": 0.4}\n')
    (clone.folder / "params.yaml").write_text("seed: 0\naug: {cutout: 8}\n")
    clone.commit("cutout")
    return clone


@pytest.mark.slow
def test_its_steps_run_and_post_what_changed(branch, tmp_path):
    """Each step as bash gets it from GitHub; make and gh note what they were asked for."""
    stubs, calls = tmp_path / "stubs", tmp_path / "calls"
    for name in ("make", "gh"):
        stub = stubs / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(f'#!/bin/sh\necho {name} "$@" >> "{calls}"\n')
        stub.chmod(0o755)
    (branch.folder / ".venv/bin").mkdir(parents=True)
    (branch.folder / ".venv/bin/activate").touch()
    given = {"github.base_ref": "main", "github.event.number": "7", "github.token": "secret"}

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: given[match[1]], text)

    summary = tmp_path / "summary.md"
    for step in (step for step in STEPS if "run" in step):
        environment = pipeline.ENVIRONMENT | {key: filled(value) for key, value in step.get("env", {}).items()}
        environment |= {"PATH": f"{stubs}{os.pathsep}{environment['PATH']}", "GITHUB_STEP_SUMMARY": str(summary)}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", filled(step["run"])]
        ended = subprocess.run(command, cwd=branch.folder, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr

    assert calls.read_text().splitlines() == [
        *RUN,
        "gh pr comment 7 --edit-last --create-if-none --body-file comment.md",
    ]
    posted = Path(branch.folder / "comment.md").read_text()
    assert posted == summary.read_text()
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in posted.splitlines() if line[:1] == "|"]
    assert ["metrics/train_aug.json", "accuracy", "0.8587", "0.8612", "0.0025"] in rows
    assert ["params.yaml", "aug.cutout", "0", "8"] in rows
    assert not any("nll" in row or "seed" in row for row in rows), "nothing changed there"
