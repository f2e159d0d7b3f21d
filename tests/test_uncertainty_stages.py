"""The stages `mc_dropout` and `uncertainty`, one after the other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from imports import ROOT
from ladder.core.artifacts import checkpoints, predictions, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Logits, Predictions
from loaded import packages
from networks import network
from test_stages import main


def stage() -> None:
    main("mc_dropout")
    main("uncertainty")


def path(name: str) -> str:
    return f"predictions/{'voted' if name == 'ensemble' else 'trained'}/{name}.npz"


def answer(name: str, split, logits: np.ndarray) -> None:
    val = Logits(np.zeros((len(split.val), 3), np.float32), split.val.labels, split.val.ids)
    test = Logits(logits.astype(np.float32), split.test.labels, split.test.ids)
    predictions.save(path(name), Predictions(val, test, split.classes, {}))


@pytest.fixture
def made(workspace, split):
    """The split, and untrained models `distill` and `train_effnet` with what they answer."""
    splits.save("data/split", split)
    for name in ("distill", "train_effnet"):
        model = network()
        checkpoints.save(f"models/{name}", Checkpoint(model.config, model.state_dict()))
        with torch.no_grad():
            answer(name, split, model(torch.from_numpy(split.test.images)).numpy())
    answer("ensemble", split, np.eye(3)[split.test.labels] * 4)  # makes no mistake
    return split


def test_the_stage_writes_everything_and_the_same_twice(made, capsys):
    stage()
    written = [path for folder in ("metrics", "plots", "predictions") for path in Path(folder).rglob("*.*")]
    first = {path: path.read_bytes() for path in written}
    figures = json.loads(Path("metrics/uncertainty.json").read_text())
    assert len(figures) == 8
    table = pd.read_csv("plots/uncertainty/scores.csv")
    assert table["model"].tolist() == ["distill"] * 2 + ["train_effnet"] * 2 + ["ensemble"]
    assert figures["distill_mc_nll"] == pytest.approx(table["nll"][1])
    assert figures["teacher_single_auroc"] == pytest.approx(table["auroc"][2])
    assert np.isnan(table["auroc"][4])
    assert table["aurc"][4] == 0
    assert table["auroc_variance"].notna().tolist() == [False, True, False, True, False]
    curves = pd.read_csv("plots/uncertainty/risk_coverage.csv")
    assert curves.columns.tolist() == [
        "coverage",
        "distill_single",
        "distill_mc",
        "teacher_single",
        "teacher_mc",
        "ensemble",
    ]
    assert curves["coverage"].tolist() == pytest.approx((np.arange(1, 101) / 100).tolist())
    assert 1 - curves["distill_mc"].iloc[-1] == pytest.approx(table["accuracy"][1])
    with np.load("predictions/uncertainty.npz") as arrays:
        assert np.array_equal(arrays["ids"], made.test.ids)
        assert (arrays["distill_variance"] > 0).all()
        assert np.array_equal(arrays["distill_entropy"] > arrays["distill_expected_entropy"], np.ones(15, bool))
    for name in ("reliability", "risk_coverage", "most_uncertain", "confidently_wrong"):
        with Image.open(f"plots/uncertainty/{name}.png") as image:
            image.load()
    assert "distill, one pass -> MC dropout: nll" in capsys.readouterr().out
    stage()
    assert {path: path.read_bytes() for path in written} == first


def test_the_stage_that_scores_runs_without_torch(made):
    main("mc_dropout")
    imported = packages(ROOT / "stages/uncertainty.py")
    assert {"ladder", "numpy", "scipy", "matplotlib"} <= imported
    assert not {"torch", "timm", "sklearn"} & imported


def test_without_mistakes_an_auroc_is_left_out(made):
    model = network()
    with torch.no_grad():
        model.net.classifier.weight.zero_()
        model.net.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
        model.net.classifier.weight[0, 0] = 1e-3
    checkpoints.save("models/distill", Checkpoint(model.config, model.state_dict()))
    only_red = made.test.take(np.flatnonzero(made.test.labels == 0))
    splits.save("data/split", replace(made, test=only_red))
    for name in ("distill", "train_effnet", "ensemble"):
        old = predictions.load(path(name))
        test = Logits(np.tile(np.float32([9, 0, 0]), (len(only_red), 1)), only_red.labels, only_red.ids)
        predictions.save(path(name), Predictions(old.val, test, old.classes, {}))
    stage()
    figures = json.loads(Path("metrics/uncertainty.json").read_text())
    assert "distill_mc_nll" in figures
    assert "distill_mc_auroc" not in figures
    assert "teacher_single_auroc" not in figures


def test_predictions_of_other_images_are_refused_and_nothing_is_left(made):
    old = predictions.load("predictions/voted/ensemble.npz")
    moved = Logits(old.test.logits, old.test.labels, old.test.ids + 1)
    predictions.save("predictions/voted/ensemble.npz", Predictions(old.val, moved, old.classes, {}))
    with pytest.raises(InputError, match=r"predictions/voted/ensemble\.npz is not about the test images"):
        stage()
    assert not Path("metrics/uncertainty.json").exists()
    assert not Path("predictions/uncertainty.npz").exists()


def test_a_model_without_dropout_stops_the_stage(made):
    model = network(drop_rate=0.0)
    checkpoints.save("models/train_effnet", Checkpoint(model.config, model.state_dict()))
    with pytest.raises(InputError, match=r"train_effnet has no active dropout.*drop_rate of its recipe"):
        stage()
