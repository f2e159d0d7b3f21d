"""The evaluate stage on synthetic predictions, and the promise that scoring needs no torch."""

import importlib.util
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imports import ROOT
from ladder.core.artifacts import predictions, splits
from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.scoring import scores
from loaded import packages

SCRIPT = ROOT / "stages/evaluate.py"
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 0])  # 8 of 10 right
OUTPUTS = ["confusion.csv", "confusion.png", "classes.csv", "mistakes.csv"]


def answered(labels: np.ndarray, answers: np.ndarray, first_id: int) -> Logits:
    """Every answer with probability 0.8, the other two classes with 0.1."""
    logits = np.log(np.where(np.eye(3)[answers] == 1, 0.8, 0.1)).astype(np.float32)
    return Logits(logits, labels.astype(np.int64), np.arange(first_id, first_id + len(labels)))


@pytest.fixture
def stage():
    spec = importlib.util.spec_from_file_location("evaluate_stage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made(workspace, split) -> Predictions:
    splits.save("data/split", split)
    val, test = answered(LABELS[::-1], ANSWERS[::-1], 0), answered(LABELS, ANSWERS, 10)
    made = Predictions(val, test, ("cat", "dog", "frog"), {"source": "digits"})
    predictions.save("predictions/trained/train_aug.npz", made)
    return made


def test_outputs_hold_the_numbers(stage, made, workspace, tiny, capsys):
    stage.main("trained/train_aug")

    metrics = json.loads((workspace / "metrics/train_aug.json").read_text())
    low, high = scores.wilson_interval(8, 10, tiny.evaluate.confidence)
    assert metrics["accuracy"] == 0.8
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == (low, high)
    assert metrics["nll"] == pytest.approx(-(8 * np.log(0.8) + 2 * np.log(0.1)) / 10)
    assert metrics["brier"] == pytest.approx((8 * 0.06 + 2 * (0.64 + 0.81 + 0.01)) / 10)
    assert metrics["ece"] == pytest.approx(0, abs=1e-6)
    assert metrics["ece_scaled"] == pytest.approx(0, abs=1e-5)
    assert list(metrics) == [
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macro_f1",
        "nll",
        "brier",
        "ece",
        "ece_scaled",
    ]

    folder = workspace / "plots/train_aug"
    assert (folder / "confusion.csv").read_bytes() == (
        b"actual,predicted,count\n"
        b"cat,cat,3\ncat,dog,1\ncat,frog,0\n"
        b"dog,cat,0\ndog,dog,2\ndog,frog,0\n"
        b"frog,cat,1\nfrog,dog,0\nfrog,frog,3\n"
    )
    by_class = pd.read_csv(folder / "classes.csv")
    assert by_class[["class", "images", "correct", "accuracy"]].to_numpy().tolist() == [
        ["cat", 4, 3, 0.75],
        ["dog", 2, 2, 1.0],
        ["frog", 4, 3, 0.75],
    ]
    bounds = [scores.wilson_interval(c, n, tiny.evaluate.confidence) for c, n in ((3, 4), (2, 2), (3, 4))]
    np.testing.assert_allclose(by_class[["accuracy_low", "accuracy_high"]], bounds, rtol=1e-8)
    with Image.open(folder / "confusion.png") as image:
        assert min(image.size) > 400

    said = capsys.readouterr().out.splitlines()
    assert said == ["train_aug: accuracy 80.00% (95% interval 49.02 to 94.33%) on 10 test images"]


def surer(probability: float) -> Logits:
    """As `made`, but for the last mistake, which the model is surer or less sure of."""
    test = answered(LABELS, ANSWERS, 10)
    test.logits[9] = np.log([probability, (1 - probability) / 2, (1 - probability) / 2])
    return test


@pytest.mark.parametrize(("probability", "first"), [(0.99, 9), (0.5, 3)])
def test_mistakes_are_listed_surest_first_with_the_names_of_their_files(
    stage, made, split, workspace, probability, first
):
    files = tuple(f"cat/{number}.jpg" for number in range(20))
    splits.save("data/split", replace(split, files=files))
    predictions.save("predictions/trained/train_aug.npz", replace(made, test=surer(probability)))
    stage.main("trained/train_aug")
    listed = pd.read_csv(workspace / "plots/train_aug/mistakes.csv")
    assert listed["image"].tolist() == [files[10 + index] for index in (first, 12 - first)]
    assert (listed["label"][0], listed["answer"][0]) == (("frog", "cat") if first == 9 else ("cat", "dog"))
    assert listed["probability"].tolist() == pytest.approx(sorted([probability, 0.8], reverse=True))


def test_published_images_have_numbers(stage, made, workspace):
    stage.main("trained/train_aug")
    assert pd.read_csv(workspace / "plots/train_aug/mistakes.csv")["image"].tolist() == [13, 19]


@pytest.mark.parametrize(
    ("answers", "warning"),
    [
        (np.zeros(10, int), "answers cat for every image"),
        (
            np.array([0, 0, 0, 1, 1, 2, 1, 1, 0, 0]),
            "not distinguishable from always answering cat, which is",
        ),
        (ANSWERS, None),
    ],
)
def test_a_useless_model_is_called_that(stage, made, answers, warning, capsys):
    predictions.save("predictions/trained/train_aug.npz", replace(made, test=answered(LABELS, answers, 10)))
    stage.main("trained/train_aug")
    said = capsys.readouterr().out
    assert (f"train_aug: warning: it {warning}" in said or "warning: it is " + str(warning) in said) == bool(warning)


def test_same_predictions_give_the_same_bytes(stage, made, workspace):
    def run() -> dict[str, bytes]:
        stage.main("trained/train_aug")
        outputs = [workspace / "metrics/train_aug.json", *(workspace / "plots/train_aug").iterdir()]
        return {path.name: path.read_bytes() for path in outputs}

    first = run()
    assert sorted(first) == sorted(["train_aug.json", *OUTPUTS])
    assert run() == first


def test_params_reach_the_scores(stage, made, workspace, capsys):
    text = (workspace / "params.yaml").read_text()
    assert "confidence: 0.95" in text
    (workspace / "params.yaml").write_text(text.replace("confidence: 0.95", "confidence: 0.5"))
    stage.main("trained/train_aug")
    metrics = json.loads((workspace / "metrics/train_aug.json").read_text())
    assert (metrics["accuracy_low"], metrics["accuracy_high"]) == scores.wilson_interval(8, 10, 0.5)
    assert "(50% interval" in capsys.readouterr().out


def test_an_error_leaves_no_output_and_spares_the_history(stage, made, workspace, monkeypatch):
    history = workspace / "plots/train_aug/history.csv"
    history.parent.mkdir(parents=True)
    history.write_text("epoch\n1\n")
    monkeypatch.setattr(stage.scores, "per_class", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stage.main("trained/train_aug")
    assert os.listdir(history.parent) == ["history.csv"]
    assert os.listdir(workspace / "metrics") == []


def test_missing_and_damaged_predictions_are_one_message(stage, workspace, split):
    with pytest.raises(InputError, match=r"predictions/trained/train_aug\.npz is missing"):
        stage.main("trained/train_aug")
    splits.save("data/split", split)
    (workspace / "predictions/trained").mkdir(parents=True)
    (workspace / "predictions/trained/train_aug.npz").write_bytes(b"half")
    with pytest.raises(InputError, match=r"predictions/trained/train_aug\.npz holds no predictions"):
        stage.main("trained/train_aug")


def test_the_script_runs_without_torch(made, workspace):
    imported = packages(SCRIPT, "trained/train_aug")
    assert {"ladder", "numpy", "scipy", "matplotlib"} <= imported
    assert not {"torch", "timm", "sklearn"} & imported
