"""The folders of src/ladder: arrows run one way, and what stands in one decides what a change makes stale."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvcfile import STAGES, script
from imports import FOLDERS, LADDER, ROOT, SRC, folder_of, imported, modules, reached
from ladder.deploy import onnx_files

# What the modules of each folder may import, besides those of their own folder. Beside the folders stand params.py and
# what it is read with, which all may import and which import core.errors alone; presets.py, predict.py and
# own_images.py are called by people, and imported by nobody but each other.
MAY_IMPORT = {
    "core": set(),
    "images": {"core"},
    "pretrained": {"core"},
    "training": {"core"},
    "teaching": {"training", "core"},
    "scoring": {"core"},
    "deploy": {"scoring", "training", "core"},
    "inspecting": {"images", "scoring", "core"},
    "drawing": {"scoring", "core"},
    "reporting": {"drawing", "scoring", "core"},
    "running": {"core"},
    "verifying": {"core"},
    "sweeps": {"reporting", "drawing", "scoring", "core"},
}
PARAMS = {
    LADDER / f"{name}.py" for name in ("params", "params_groups", "params_inspecting", "params_file", "ladder_file")
}
PEOPLES = {LADDER / "presets.py", LADDER / "predict.py", LADDER / "own_images.py"}


def stem(stage: str) -> str:
    return script(STAGES[stage]).removeprefix("stages/").removesuffix(".py")


# The stages, by their script's name, that a change to any module of a folder makes stale.
TRAINING = {"train", "distill"}
INSPECTING = {"inspect_data", "labels", "corruptions"}
STALE = {
    "core": {stem(name) for name in STAGES},
    "images": {"images", "split", "inspect_data"},
    "pretrained": {"weights"},
    "training": {*TRAINING, "quantize", "mc_dropout", "corruptions", "benchmark"},
    "teaching": {"distill"},
    "scoring": {"ensemble", "evaluate", "mc_dropout", "uncertainty", *INSPECTING, "benchmark", "report"},
    "deploy": {"quantize", "mc_dropout", "benchmark"},
    "inspecting": INSPECTING,
    "drawing": {"evaluate", "uncertainty", *INSPECTING, "benchmark", "report"},
    "reporting": {"report", "benchmark_page"},
    "running": set(),
    "verifying": set(),
    "sweeps": set(),
}


def test_every_folder_has_its_place():
    assert set(FOLDERS) == MAY_IMPORT.keys() == STALE.keys()


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_arrows_run_one_way(folder):
    allowed = {folder, *MAY_IMPORT[folder]}
    for module in modules(folder):
        for other in imported(module):
            assert folder_of(other) in allowed or other in PARAMS or other == LADDER / "__init__.py", (
                f"{module.relative_to(LADDER)} imports {other.relative_to(LADDER)}"
            )


def test_no_folder_stands_above_itself():
    for folder, below in MAY_IMPORT.items():
        assert all(folder not in MAY_IMPORT[other] for other in below)


def test_params_need_nothing_but_the_error():
    reaches = set().union(*(reached(path) for path in PARAMS))
    assert reaches == PARAMS | {LADDER / "core/errors.py", LADDER / "core/machine.py"}


def test_nobody_imports_what_people_call():
    every = {*LADDER.rglob("*.py"), *(ROOT / "stages").glob("*.py")} - PEOPLES
    assert not {str(path) for path in every if PEOPLES & set(imported(path))}


@pytest.mark.parametrize("folder", STALE)
def test_what_a_change_to_a_folder_makes_stale(folder):
    naming = {stem(name) for name, stage in STAGES.items() if f"src/ladder/{folder}" in stage["deps"]}
    assert naming == STALE[folder]


def test_what_does_not_shape_weights_retrains_no_rung():
    """A folder in `deps` stands for all its modules: each must be one that every training stage imports."""
    for name, stage in STAGES.items():
        if stem(name) not in TRAINING:
            continue
        used = reached(ROOT / script(stage))
        for folder in FOLDERS:
            if f"src/ladder/{folder}" in stage["deps"]:
                unused = sorted(str(path.relative_to(LADDER)) for path in modules(folder) - used)
                assert not unused, f"{unused} would retrain {name}, which does not use them: move them"


@pytest.mark.parametrize("path", sorted([*LADDER.rglob("*.py"), *(ROOT / "stages").glob("*.py")]), ids=str)
def test_files_are_short(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (60 if path.parent.name == "stages" else 300)


def test_scoring_imports_no_torch():
    for module in modules("scoring"):
        assert "import torch" not in module.read_text(encoding="utf-8"), module


def test_stages_that_run_no_network_start_without_what_takes_seconds_to_import():
    networks = {"benchmark", "corruptions", "distill", "mc_dropout", "quantize", "train"}
    names = sorted({path.stem for path in (ROOT / "stages").glob("*.py")} - networks)
    assert len(names) > 9
    found = _loaded(f"import {', '.join(names)}", ROOT / "stages")
    assert {"ladder.core.runs", "ladder.scoring.scores", "matplotlib.figure"} <= found
    assert not {"torch", "torchvision", "timm", "onnxruntime", "dvc", "matplotlib.pyplot"} & found


def test_the_memory_of_an_onnx_model_is_measured_without_torch():
    model = next((ROOT / "release").glob("*.onnx"))
    size = onnx_files.about(model)["image_size"]
    variant = ("distill", "distill_static", "ONNX Runtime", "cpu", str(model), str(size))
    found = _loaded(f"from ladder.deploy import latency; latency._main{variant}")
    assert "onnxruntime" in found
    assert not {"torch", "timm", "onnx", "pandas"} & found


def _loaded(code: str, *folders: Path) -> set[str]:
    """The modules that a process of its own has loaded when the code has run."""
    path = os.pathsep.join(map(str, (SRC, *folders)))
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
