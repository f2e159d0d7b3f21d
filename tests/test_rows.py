"""tools/rows.sh, which trains rungs side by side; the demo runs it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from imports import ROOT
from ladder import ladder_file, params

SCRIPT = ROOT / "tools/rows.sh"
DVC = """\
#!/usr/bin/env bash
case "$*" in
    *train_se*) echo $$ > row_a; {row_a} ;;
    *train_effnet*) until [ -s row_a ]; do sleep 0.1; done; {row_b} ;;
    *) echo "$*" ;;
esac
"""


def run(folder: Path, **rows: str) -> subprocess.CompletedProcess:
    """The script with a stand-in for dvc, in which each row does what `rows` says."""
    (folder / "dvc").write_text(DVC.format(**({"row_a": "true", "row_b": "true"} | rows)))
    (folder / "dvc").chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([SCRIPT], cwd=folder, env=environment, text=True, capture_output=True, timeout=60)


@pytest.fixture
def folder(tmp_path):
    for name in ("params.yaml", "ladder.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    return tmp_path


def test_every_rung_stands_in_one_row():
    rows = re.findall(r"^row [AB] ([a-z_ ]+)", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages = " ".join(rows).split()
    assert sorted(set(stages) - {"quantize"}) == sorted(ladder_file.read(ROOT / "ladder.yaml").rungs)
    assert len(stages) == len(set(stages))


def test_after_both_rows_comes_the_rest(folder):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "repro split"
    assert done.stdout.splitlines()[-1] == "repro"


def test_a_row_that_fails_stops_the_other_and_is_named(folder):
    done = run(folder, row_a="exec sleep 50", row_b="exit 3")
    assert done.returncode == 1
    assert done.stderr == "rows: a stage of row B failed: see its last lines above\n"
    row_a = int((folder / "row_a").read_text())
    for _ in range(100):  # it was told to end, and may take a moment
        if not is_running(row_a):
            return
        time.sleep(0.1)
    pytest.fail("row A goes on")


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_teacher_from_the_other_row_is_refused_before_anything_runs(folder):
    values = params.load_yaml(folder / "params.yaml")
    values["distill"]["teacher"], values["ablation"]["drop_rate"] = "train_aug", 0.1
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    done = run(folder)
    assert done.returncode == 1
    assert done.stderr == "rows: distill.teacher is train_aug, which trains in the other row: use make repro\n"
    assert done.stdout == ""
