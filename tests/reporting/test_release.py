"""The model card says what the run gave: on a made-up run, and on release/ wherever it exists."""

import hashlib
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml

from imports import ROOT
from ladder import params
from ladder.core.artifacts import predictions
from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.deploy import onnx_files

RELEASE = ROOT / "release"
TOOL = ROOT / "tools/release.py"
SCORES = {"accuracy": 0.7531, "accuracy_low": 0.7446, "accuracy_high": 0.7614, "macro_f1": 0.7512, "nll": 0.7123,
          "brier": 0.35, "ece": 0.0211, "ece_scaled": 0.01}  # fmt: skip
TWIN = SCORES | {"accuracy": 0.7544, "accuracy_low": 0.7459, "accuracy_high": 0.7627}


def release() -> None:
    runpy.run_path(str(TOOL))["main"]()


@pytest.fixture
def run(workspace) -> Path:
    """A made-up run in the current folder: an int8 student, its metrics and predictions, and a lock that records it."""
    about = {"classes": ["cat", "dog"], "image_size": 8, "fit": "squash",
             "images": {"train": 1234, "val": 3, "test": 3}, "arch": "mobilenetv3_small_100", "parameters": 1528106,
             "input_size": 8, "epochs": 4, "weights": "scratch", "source": "digits", "source_digest": "ab" * 32,
             "precision": "static int8"}  # fmt: skip
    onnx_files.save("deployed/distill_static.onnx", b"not really a model", about)
    part = Logits(np.zeros((3, 2), np.float32), np.zeros(3, np.int64), np.arange(3))
    predictions.save("predictions/deployed/distill_static.npz", Predictions(part, part, ("cat", "dog"), {}))
    Path("metrics").mkdir()
    for name, scores in (("distill_static", SCORES), ("distill_float", TWIN)):
        Path(f"metrics/{name}.json").write_text(json.dumps(scores))
    record(runpy.run_path(str(TOOL))["folder_md5"](Path("deployed")))
    return workspace


def record(md5: str) -> None:
    outs = [{"path": "deployed", "md5": md5}]
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"quantize": {"outs": outs}}}))


def test_a_release_is_a_copy_with_a_card(run):
    release()
    assert Path("release/student_int8.onnx").read_bytes() == b"not really a model"
    assert onnx_files.about("release/student_int8.onnx")["classes"] == ["cat", "dog"]
    card = Path("release/README.md").read_text()
    for words in (
        "which of 2 classes an image shows: cat, dog",
        "1,528,106 parameters",
        "| **this file** | 75.31% (74.46% to 76.14%) | 0.7512 | 0.7123 | 0.0211 |",
        "| the same model in float32 | 75.44% (74.59% to 76.27%) |",
        "3 test images",
        "1,234 images to train on; 3 were set apart for validation",
        "handwritten digits of scikit-learn",
        f"for 4 epochs (from scratch), {params.read().student.optimizer}",
        f"distilled from `{params.read().distill.teacher}`",
        "Latency: not measured",
        hashlib.sha256(b"not really a model").hexdigest(),
        "source `digits`, digest `abab",
    ):
        assert words in card
    assert not re.search(r"[{}]", re.sub("(?s)```.*```", "", card))
    assert str(run) not in card
    assert str(Path.home()) not in card


def test_the_card_tells_the_measured_latency(run):
    found = {"distill_onnx_int8_p50_ms": 0.284, "distill_int8_speedup": 1.17}
    Path("metrics/benchmark.json").write_text(json.dumps(found))
    Path("plots/benchmark").mkdir(parents=True)
    Path("plots/benchmark/machine.csv").write_text(
        'what,value\nprocessor,"Some CPU, 2 logical cores"\nload by other programs,0.01 cores\n'
    )
    release()
    assert "0.28 ms median for one image on one thread, 1.17 times as fast as in float32 (Some CPU, 2 logical" in (
        Path("release/README.md").read_text()
    )


def test_weights_and_class_names_are_told_as_they_are(run):
    about = onnx_files.about("deployed/distill_static.onnx")
    about |= {"classes": ["a|b", "<i>"], "weights": "timm/resnet18.a1_in1k", "weights_sha256": "cd" * 32}
    onnx_files.save("deployed/distill_static.onnx", b"not really a model", about)
    record(runpy.run_path(str(TOOL))["folder_md5"](Path("deployed")))
    release()
    card = Path("release/README.md").read_text()
    assert r"an image shows: a\|b, \<i>." in card
    assert f"(starting from timm/resnet18.a1_in1k, sha256 `{'cd' * 32}`)" in card


def test_a_file_that_the_lock_does_not_record_is_refused(run):
    about = onnx_files.about("deployed/distill_static.onnx")
    onnx_files.save("deployed/distill_static.onnx", b"another", about)
    with pytest.raises(InputError, match=r"deployed is not what dvc\.lock records"):
        release()
    assert not Path("release").exists()


def test_a_run_without_lock_is_refused(run):
    Path("dvc.lock").unlink()
    with pytest.raises(InputError, match=r"dvc\.lock does not record deployed: run `dvc repro` first"):
        release()


def test_missing_metrics_are_named(run):
    Path("metrics/distill_float.json").unlink()
    with pytest.raises(InputError, match=r"metrics/distill_float\.json is missing: `dvc repro` makes it"):
        release()
    assert not Path("release").exists()


def test_dvc_knows_a_folder_by_the_same_md5(tmp_path):
    """Against DVC itself, on a folder with a subfolder."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import localfs

    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.onnx", "a.json", "sub/c"):
        (folder / name).write_text(name)
    _, _, tree = build(HashFileDB(localfs, str(tmp_path / "cache")), str(folder), localfs, "md5", dry_run=True)
    assert runpy.run_path(str(TOOL))["folder_md5"](folder) == tree.hash_info.value


@pytest.mark.skipif(not RELEASE.exists(), reason="nothing was released yet")
def test_the_released_card_agrees_with_file_metrics_and_lock():
    card = (RELEASE / "README.md").read_text(encoding="utf-8")
    model = RELEASE / "student_int8.onnx"
    assert hashlib.sha256(model.read_bytes()).hexdigest() in card
    assert model.stat().st_size < 2_000_000
    assert f"in {model.stat().st_size / 1e6:.2f} MB" in card
    for name, row in (("distill_static", "this file"), ("distill_float", "the same model in float32")):
        scores = json.loads((ROOT / f"metrics/{name}.json").read_text())
        (line,) = [line for line in card.splitlines() if line.startswith("|") and row in line]
        assert "{accuracy:.2%} ({accuracy_low:.2%} to {accuracy_high:.2%})".format(**scores) in line
        assert "| {macro_f1:.4f} | {nll:.4f} | {ece:.4f} |".format(**scores) in line
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]["quantize"]["outs"]
    assert next(out["md5"] for out in lock if not out["path"].startswith("predictions/")) in card
    about = onnx_files.about(model)
    assert ", ".join(about["classes"]) in card
    assert about["source_digest"] in card


@pytest.mark.skipif(not RELEASE.exists(), reason="nothing was released yet")
def test_the_released_model_classifies():
    from ladder.deploy import onnx_runtime

    about = onnx_files.about(RELEASE / "student_int8.onnx")
    size = about["image_size"]
    logits = onnx_runtime.predict(RELEASE / "student_int8.onnx", np.zeros((2, 3, size, size), np.uint8))
    assert logits.shape == (2, len(about["classes"]))
