"""tools/check_images.py, which make runs before the pipeline: one's own images that are not there."""

import re
import runpy
import subprocess

import pytest

from imports import ROOT
from ladder import presets
from ladder.core.errors import InputError


def check() -> None:
    runpy.run_path(str(ROOT / "tools/check_images.py"))["main"]()


def test_what_a_stage_makes_may_be_missing(workspace):
    check()


def test_own_images_that_are_there(workspace):
    presets.apply("own_images")
    (workspace / "my_images").mkdir()
    check()


def test_own_images_that_are_missing(workspace):
    presets.apply("own_images")
    with pytest.raises(InputError, match=r"^my_images, the data.path .* missing: .*`dvc add my_images`.*own_images"):
        check()


def test_own_images_of_which_only_the_record_is_there(workspace):
    presets.apply("own_images")
    (workspace / "my_images.dvc").write_text("outs: []")
    with pytest.raises(InputError, match=r"^my_images is missing, .*`dvc checkout my_images.dvc`.*`dvc pull my_images"):
        check()


def test_params_are_checked_too(workspace):
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(re.sub(r"path: data/raw/digits", "path: data/raw", text))
    with pytest.raises(InputError, match="path must be data/raw/digits, not data/raw"):
        check()


def test_make_runs_it_first():
    command = ["make", "--dry-run", "--assume-old", "setup", "repro", "PRESET=own_images"]
    recipe = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    steps = (
        "presets apply own_images",
        "tools/check_images.py",
        "tools/mend_lock.py",
        "exec python -m ladder.running.repro",
    )
    places = [recipe.index(step) for step in steps]
    assert places == sorted(places)
    assert recipe.count("&&") == len(steps) - 1, "each only if the one before it succeeded"
