"""tools/rows.sh, which trains rungs side by side; the demo runs it."""

import os
import re
import subprocess

import yaml

from imports import ROOT
from ladder import params

SCRIPT = ROOT / "tools/rows.sh"


def test_every_rung_stands_in_one_row():
    rows = re.findall(r"^row [AB] ([a-z_ ]+)", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages = " ".join(rows).split()
    assert sorted(set(stages) - {"quantize"}) == sorted(params.RECIPES)
    assert len(stages) == len(set(stages))


def test_a_teacher_from_the_other_row_is_refused_before_anything_runs(tmp_path):
    values = params.load_yaml(ROOT / "params.yaml")
    values["distill"]["teacher"], values["ablation"]["drop_rate"] = "train_aug", 0.1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([SCRIPT], cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stderr == "rows: distill.teacher is train_aug, which trains in the other row: use make repro\n"
    assert done.stdout == ""
