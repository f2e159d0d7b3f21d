"""Soft voting against hand-computed votes, and the stage that reads its members from params."""

import dataclasses
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import softmax

from imports import ROOT, SRC
from ladder import params
from ladder.core.artifacts import predictions
from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.scoring import scores
from ladder.scoring.ensembling import combine, fit_weights, vote

SCRIPT = ROOT / "stages/ensemble.py"
ABOUT = {"source": "digits", "source_digest": "0" * 64, "weights": "scratch"}


def member(seed: int, skill: float = 1.0, arch: str = "resnet18", **about) -> Predictions:
    """Answers on 40 validation and 60 test images of 3 classes; labels and ids do not depend on the seed."""
    draw = np.random.default_rng(seed)

    def part(images: int, first_id: int) -> Logits:
        labels = np.arange(images) % 3
        logits = draw.normal(size=(images, 3)) + skill * np.eye(3)[labels]
        return Logits(logits.astype(np.float32), labels, np.arange(first_id, first_id + images))

    provenance = ABOUT | {"arch": arch, "parameters": 1000, "input_size": 32, "epochs": 8} | about
    return Predictions(part(40, 0), part(60, 40), ("red", "green", "blue"), provenance)


def test_logits_are_averaged_by_hand():
    logits = np.array([[[1, 2, 3]], [[3, 0, -1]]], dtype=np.float32)
    np.testing.assert_array_equal(combine(logits, np.array([0.5, 0.5]), "logits"), [[2, 1, 1]])
    np.testing.assert_array_equal(combine(logits, np.array([0.25, 0.75]), "logits"), [[2.5, 0.5, 0]])


def test_probabilities_are_averaged_by_hand():
    shares = np.array([[[0.7, 0.2, 0.1]], [[0.1, 0.1, 0.8]]])
    for shift in (0, 5):  # logits are log probabilities up to a constant, which must not weigh
        logits = np.log(shares) + np.array([shift, -shift])[:, None, None]
        np.testing.assert_allclose(np.exp(combine(logits, np.array([0.5, 0.5]), "probabilities")), [[0.4, 0.15, 0.45]])
        voted = np.exp(combine(logits, np.array([1.0, 0.0]), "probabilities"))
        np.testing.assert_allclose(voted, [[0.7, 0.2, 0.1]])


def test_the_two_votes_can_answer_differently():
    """One sure member decides the mean of the logits, two doubting ones that of the probabilities."""
    logits = np.array([[[9.0, 0.0]], [[0.0, 2.0]], [[0.0, 2.0]]])
    thirds = np.full(3, 1 / 3)
    assert combine(logits, thirds, "logits").argmax() == 0
    assert combine(logits, thirds, "probabilities").argmax() == 1


def test_far_apart_logits_stay_finite():
    logits = np.array([[[2000.0, 0.0]], [[-3000.0, 0.0]]])
    for weights in ([0.5, 0.5], [0.0, 1.0]):
        assert np.isfinite(combine(logits, np.array(weights), "probabilities")).all()


@pytest.mark.parametrize("weights", ["equal", "validation"])
def test_an_ensemble_of_one_is_itself(weights):
    one = member(1)
    voted = vote({"a": one}, "logits", weights)
    for part in ("val", "test"):
        np.testing.assert_array_equal(getattr(voted, part).logits, getattr(one, part).logits)
    assert voted.provenance == one.provenance | {"members": {"a": 1.0}, "vote": "logits"}

    voted = vote({"a": one}, "probabilities", weights)
    np.testing.assert_allclose(np.exp(voted.test.logits), softmax(one.test.logits, axis=1), rtol=1e-5)


@pytest.mark.parametrize("how", ["logits", "probabilities"])
def test_an_ensemble_of_twins_is_one_of_them(how):
    one = member(1)
    voted = vote({"a": one, "b": one}, how, "validation")
    np.testing.assert_allclose(softmax(voted.test.logits, axis=1), softmax(one.test.logits, axis=1), rtol=1e-5)


def test_ensemble_keeps_images_and_says_what_it_is():
    a, b = member(1), member(2, arch="efficientnet_b0", parameters=234, input_size=48, epochs=5)
    voted = vote({"a": a, "b": b}, "probabilities", "equal")
    np.testing.assert_allclose(
        np.exp(voted.test.logits), (softmax(a.test.logits, axis=1) + softmax(b.test.logits, axis=1)) / 2, rtol=1e-5
    )
    assert voted.test.logits.dtype == np.float32
    np.testing.assert_array_equal(voted.test.ids, a.test.ids)
    np.testing.assert_array_equal(voted.val.labels, a.val.labels)
    assert voted.provenance == ABOUT | {
        "arch": "resnet18 + efficientnet_b0",
        "parameters": 1234,
        "input_size": "32 + 48",
        "epochs": 13,
        "members": {"a": 0.5, "b": 0.5},
        "vote": "probabilities",
    }


@pytest.mark.parametrize("how", ["logits", "probabilities"])
def test_fitted_weights_are_the_best_of_a_fine_grid(how):
    a, b = member(1, skill=1.5), member(4, skill=1.5)
    val, labels = np.stack([a.val.logits, b.val.logits]), a.val.labels
    grid = [np.array([share, 1 - share]) for share in np.linspace(0, 1, 1001)]
    best = min(grid, key=lambda weights: scores.nll(combine(val, weights, how), labels))
    found = fit_weights(val, labels, how)
    assert 0.01 < found[0] < 0.99
    np.testing.assert_allclose(found, best, atol=1e-3)
    assert list(vote({"a": a, "b": b}, how, "validation").provenance["members"].values()) == found.tolist()


def test_fitted_weights_are_shares_and_drop_a_useless_member():
    good, harmful = member(1, skill=3), member(2, skill=-3)
    val = np.stack([harmful.val.logits, good.val.logits, harmful.val.logits])
    found = fit_weights(val, good.val.labels, "probabilities")
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, [0, 1, 0], atol=1e-3)


def change(made: Predictions, part: str, **fields) -> Predictions:
    return dataclasses.replace(made, **{part: dataclasses.replace(getattr(made, part), **fields)})


OTHERS = {
    "test ids": change(member(2), "test", ids=np.arange(41, 101)),
    "val ids": change(member(2), "val", ids=np.arange(1, 41)),
    "test labels": change(member(2), "test", labels=(np.arange(60) + 1) % 3),
    "class names": dataclasses.replace(member(2), classes=("red", "blue", "green")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_members_of_other_images_are_refused(what):
    message = f"the predictions of train_se and train_aug differ in {what}: "
    with pytest.raises(InputError, match=message):
        vote({"train_se": member(1), "train_resnet": member(3), "train_aug": OTHERS[what]}, "logits", "equal")


# --- the params and the stage


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        (["train_resnet", "train_efnet"], "no training stage is named 'train_efnet'; did you mean train_effnet"),
        (["ensemble"], "no training stage is named 'ensemble'"),
        (["train_se", "train_se"], "train_se stands there twice"),
        ([], "at least 1 item"),
    ],
)
def test_members_are_checked_with_all_params(workspace, members, complaint):
    values = params.load_yaml("params.yaml")
    values["ensemble"]["members"] = members
    with pytest.raises(InputError, match=f"ensemble.members: .*{complaint}"):
        params.validate(values)


@pytest.fixture
def stage():
    spec = importlib.util.spec_from_file_location("ensemble_stage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def members(workspace) -> dict[str, Predictions]:
    made = {"train_resnet": member(1), "train_effnet": member(2, arch="efficientnet_b0")}
    for name, answers in made.items():
        predictions.save(f"predictions/trained/{name}.npz", answers)
    return made


def test_stage_writes_the_vote(stage, members, capsys):
    stage.main()
    voted = predictions.load("predictions/voted/ensemble.npz")
    a, b = (answers.test.logits for answers in members.values())
    np.testing.assert_allclose(voted.test.logits, (a + b) / 2, rtol=1e-5)
    assert capsys.readouterr().out == "ensemble: logits of train_resnet 0.500, train_effnet 0.500\n"


def test_stage_gives_the_same_bytes(stage, members, workspace):
    text = (workspace / "params.yaml").read_text()
    assert "weights: equal " in text
    (workspace / "params.yaml").write_text(text.replace("weights: equal ", "weights: validation "))
    output = workspace / "predictions/voted/ensemble.npz"
    stage.main()
    first = output.read_bytes()
    stage.main()
    assert output.read_bytes() == first
    assert predictions.load(output).provenance["members"]["train_resnet"] != 0.5


def test_refused_members_leave_no_ensemble(stage, members, workspace):
    predictions.save("predictions/trained/train_effnet.npz", OTHERS["test ids"])
    with pytest.raises(InputError, match="differ in test ids"):
        stage.main()
    (workspace / "predictions/trained/train_effnet.npz").unlink()
    with pytest.raises(InputError, match=r"train_effnet\.npz is missing"):
        stage.main()
    assert not (workspace / "predictions/voted/ensemble.npz").exists()


def test_the_script_runs_without_torch(members):
    """As DVC runs it; the name of each module it imports goes to stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPT)],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert {"ladder", "numpy", "scipy"} <= imported
    assert not {"torch", "timm", "matplotlib", "sklearn"} & imported
