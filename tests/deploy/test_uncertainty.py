"""Monte Carlo dropout on tiny networks, its scores against numbers by hand and scikit-learn, and the stage."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from conftest import colored
from imports import ROOT
from ladder import params
from ladder.core.artifacts import checkpoints, predictions, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Logits, Predictions
from ladder.deploy import mc_dropout
from ladder.drawing import uncertainty_plots as pictures
from ladder.params import Model, SqueezeExcite
from ladder.scoring import scores
from ladder.scoring import uncertainty as us
from ladder.training import models

CLASSES = ("red", "green", "blue")
IMAGES = colored(4, 0, seed=0).images


def network(arch: str = "test_efficientnet", drop_rate: float = 0.5, se: SqueezeExcite | None = None):
    """A tiny classifier of 8 px images, or 32 px for ConvNeXt, in eval mode."""
    size = 32 if arch == "test_convnext" else 8
    recipe = params.read(ROOT / "params.yaml").student.model_copy(
        update={"arch": arch, "input_size": size, "stem": None, "drop_rate": drop_rate}
    )
    transfer = Model(pretrained=False, resize="bilinear", weights={})
    return models.build(recipe, transfer, CLASSES, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), seed=0, se=se).eval()


def sample(model, passes: int = 5, seed: int = 0, batch_size: int = 5, name: str = "distill") -> np.ndarray:
    return mc_dropout.mc_dropout(model, IMAGES, passes=passes, seed=seed, batch_size=batch_size, name=name)


# --- passes


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet", "test_convnext"])
def test_dropout_is_active_functional_or_module(arch):
    model = network(arch)
    modules = [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert bool(modules) == (arch == "test_convnext")  # the others have timm's functional dropout alone
    samples = sample(model)
    assert samples.shape == (5, len(IMAGES), 3)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(np.exp(samples).sum(-1), 1, rtol=1e-5)
    assert (us.variance(samples) > 0).all()
    assert (us.mutual_information(samples) > 0).all()


def test_the_squeeze_excite_head_drops_too():
    samples = sample(network("test_resnet", drop_rate=0.0, se=SqueezeExcite(reduction=4, drop_rate=0.5)))
    assert (us.variance(samples) > 0).all()


def test_each_pass_of_each_image_has_a_mask_of_its_own():
    model = network()
    same = np.repeat(IMAGES[:1], 4, axis=0)
    samples = mc_dropout.mc_dropout(model, same, passes=3, seed=0, batch_size=4, name="distill")
    assert len(np.unique(samples.reshape(12, 3), axis=0)) == 12


def test_shared_features_give_what_whole_passes_give():
    model = network()
    body, head = mc_dropout._split(model)
    pixels = torch.from_numpy(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(head(body(pixels)), model(pixels))


def test_dropout_within_the_features_is_drawn_anew_in_each_pass():
    model = network(drop_rate=0.0)
    model.net.blocks[0].append(torch.nn.Dropout(0.5))
    samples = sample(model, batch_size=len(IMAGES))
    assert (us.variance(samples) > 0).all()


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet"])
def test_without_dropout_it_is_refused_by_the_name_of_the_param(arch):
    with pytest.raises(InputError, match=r"distill has no active dropout.*student\.drop_rate"):
        sample(network(arch, drop_rate=0.0))
    with pytest.raises(InputError, match=r"se\.drop_rate"):
        sample(network(arch, drop_rate=0.0), name="train_se")
    with pytest.raises(InputError, match="drop_rate of its recipe"):
        sample(network(arch, drop_rate=0.0), name="mine")


def test_a_rate_that_no_layer_uses_is_refused():
    model = network(drop_rate=0.0)
    model.net.blocks.drop_rate = 0.5
    with pytest.raises(InputError, match="no active dropout"):
        sample(model)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_weights_and_mode_stay(training):
    model = network().train(training)
    model.net.blocks.eval()
    modes = [module.training for module in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sample(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    with mc_dropout.dropout_on(model) as active:
        assert active
        assert not any(m.training for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm))
        assert model.net.training


def test_mode_is_restored_after_an_error():
    model = network(drop_rate=0.0).train()
    with pytest.raises(InputError):
        sample(model)
    assert all(module.training for module in model.modules())


def test_the_seed_decides_and_the_global_state_stays():
    model = network()
    state = torch.random.get_rng_state()
    first, again, other = sample(model, seed=1), sample(model, seed=1), sample(model, seed=2)
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_seed_decides_too():
    model = network().cuda()
    assert sample(model).tobytes() == sample(model).tobytes()
    assert (us.variance(sample(model)) > 0).all()


# --- scores by hand

# Image 0: two passes sure of different classes. Image 1: both undecided. Image 2: both say 3/4, 1/4.
PASSES = np.log(
    np.array([[[1 - 1e-12, 1e-12], [0.5, 0.5], [0.75, 0.25]], [[1e-12, 1 - 1e-12], [0.5, 0.5], [0.75, 0.25]]])
)
H = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_disagreement_is_mutual_information_and_doubt_is_not():
    mean = us.predictive(PASSES)
    np.testing.assert_allclose(np.exp(mean), [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]])
    np.testing.assert_allclose(us.entropy(mean), [np.log(2), np.log(2), H])
    np.testing.assert_allclose(us.expected_entropy(PASSES), [0, np.log(2), H], atol=1e-9)
    np.testing.assert_allclose(us.mutual_information(PASSES), [np.log(2), 0, 0], atol=1e-9)
    np.testing.assert_allclose(us.variance(PASSES), [0.25, 0, 0], atol=1e-9)  # of 1 and 0
    assert (us.mutual_information(PASSES) >= 0).all()


def test_variance_is_that_of_the_class_answered():
    samples = np.log(np.array([[[0.6, 0.3, 0.1]], [[0.8, 0.1, 0.1]]]))
    assert us.variance(samples) == pytest.approx([0.01])


def test_entropy_spans_0_to_log_classes():
    assert us.entropy(log_softmax(np.array([[0.0] * 10, [900.0] + [0.0] * 9]), 1)) == pytest.approx([np.log(10), 0])


def test_auroc_by_hand():
    mistakes = np.array([False, True, False, True])
    assert us.auroc(np.array([0.1, 0.9, 0.2, 0.8]), mistakes) == 1
    assert us.auroc(np.array([0.9, 0.1, 0.8, 0.2]), mistakes) == 0
    assert us.auroc(np.array([0.5, 0.5, 0.5, 0.5]), mistakes) == 0.5
    assert us.auroc(np.array([0.1, 0.3, 0.4, 0.4]), mistakes) == pytest.approx((1 + 0 + 1 + 0.5) / 4)


@pytest.mark.parametrize("levels", [3, 10**6])  # many ties, none
def test_auroc_agrees_with_scikit_learn(levels):
    draw = np.random.default_rng(0)
    doubt, mistakes = draw.integers(0, levels, 500) / levels, draw.random(500) < 0.2
    assert us.auroc(doubt, mistakes) == pytest.approx(roc_auc_score(mistakes, doubt), abs=1e-12)


@pytest.mark.parametrize("mistakes", [np.zeros(3, bool), np.ones(3, bool)])
def test_auroc_of_one_kind_does_not_exist(mistakes):
    assert np.isnan(us.auroc(np.array([0.1, 0.2, 0.3]), mistakes))


def test_risks_by_hand():
    risks = us.risks(np.array([0.4, 0.1, 0.3, 0.2]), np.array([True, False, False, True]))
    np.testing.assert_allclose(risks, [0, 1 / 2, 1 / 3, 2 / 4])
    assert us.aurc(risks) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    np.testing.assert_allclose(us.risk_at(risks, np.array([0.01, 0.25, 0.26, 0.75, 1.0])), [0, 0, 1 / 2, 1 / 3, 1 / 2])


def test_risks_do_not_depend_on_the_order_of_ties():
    risks = us.risks(np.array([0.5, 0.5, 0.1]), np.array([True, False, False]))
    np.testing.assert_allclose(risks, [0, 1 / 4, 1 / 3])
    np.testing.assert_allclose(us.risks(np.array([0.1, 0.5, 0.5]), np.array([False, False, True])), risks)


def test_full_coverage_is_the_error_rate_and_shares_are_exact():
    draw = np.random.default_rng(1)
    mistakes = draw.random(1000) < 0.3
    risks = us.risks(draw.random(1000), mistakes)
    assert us.risk_at(risks, 1.0) == pytest.approx(mistakes.mean())
    for share in (0.07, 0.29, 0.57, 0.9):  # times 1000 a little above the whole number
        assert us.risk_at(risks, share) == risks[round(share * 1000) - 1]


def test_reliability_bins_are_those_of_ece():
    draw = np.random.default_rng(2)
    logs, labels = log_softmax(draw.normal(0, 2, (400, 3)), 1), draw.integers(0, 3, 400)
    confidence, accuracy, images = us.reliability(logs, labels, 15)
    assert images.sum() == 400
    assert np.isnan(accuracy[:4]).all()  # no confidence below a third
    gaps = np.nansum(np.abs(confidence - accuracy) * images) / 400
    assert gaps == pytest.approx(scores.ece(logs, labels, bins=15))


# --- pictures


def test_pictures_leave_out_thin_bins_and_have_the_same_bytes_twice(tmp_path):
    bins = (np.array([0.2, 0.7]), np.array([0.1, 0.8]), np.array([24, 25]))
    panels = {"distill": {"one pass": bins, "MC dropout": bins}, "ensemble": {"vote": bins}}
    curves = {f"curve {number}": np.array([0.0, 0.1]) for number in range(5)}
    for name in ("a", "b"):
        figure = pictures.reliability(tmp_path / f"{name}_bins.png", panels, "title\nsmall")
        pictures.risk_coverage(tmp_path / f"{name}_risk.png", np.array([0.5, 1.0]), curves, "title\nsmall")
    diagonal, single, mc = figure.axes[0].lines
    assert [len(line.get_xdata()) for line in (diagonal, single, mc)] == [2, 1, 1]
    for kind in ("bins", "risk"):
        assert (tmp_path / f"a_{kind}.png").read_bytes() == (tmp_path / f"b_{kind}.png").read_bytes()


def test_long_names_are_cut():
    assert pictures.short("automobile") == "automobile"
    assert pictures.short("a very long name") == "a very long …"


# --- the stage


def stage() -> None:
    namespace: dict = {"__name__": "uncertainty"}
    exec(compile((ROOT / "stages/uncertainty.py").read_text(), "stages/uncertainty.py", "exec"), namespace)
    namespace["main"]()


def answer(name: str, split, logits: np.ndarray) -> None:
    val = Logits(np.zeros((len(split.val), 3), np.float32), split.val.labels, split.val.ids)
    test = Logits(logits.astype(np.float32), split.test.labels, split.test.ids)
    predictions.save(f"predictions/{name}.npz", Predictions(val, test, split.classes, {}))


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


def test_without_mistakes_an_auroc_is_left_out(made):
    model = network()
    with torch.no_grad():
        model.net.classifier.weight.zero_()
        model.net.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
        model.net.classifier.weight[0, 0] = 1e-3
    checkpoints.save("models/distill", Checkpoint(model.config, model.state_dict()))
    only_red = made.test.take(np.flatnonzero(made.test.labels == 0))
    with Path("data/split/test.npz").open("wb") as file:
        np.savez(file, images=only_red.images, labels=only_red.labels, ids=only_red.ids)
    for name in ("distill", "train_effnet", "ensemble"):
        old = predictions.load(f"predictions/{name}.npz")
        test = Logits(np.tile(np.float32([9, 0, 0]), (len(only_red), 1)), only_red.labels, only_red.ids)
        predictions.save(f"predictions/{name}.npz", Predictions(old.val, test, old.classes, {}))
    stage()
    figures = json.loads(Path("metrics/uncertainty.json").read_text())
    assert "distill_mc_nll" in figures
    assert "distill_mc_auroc" not in figures
    assert "teacher_single_auroc" not in figures


def test_predictions_of_other_images_are_refused_and_nothing_is_left(made):
    old = predictions.load("predictions/ensemble.npz")
    moved = Logits(old.test.logits, old.test.labels, old.test.ids + 1)
    predictions.save("predictions/ensemble.npz", Predictions(old.val, moved, old.classes, {}))
    with pytest.raises(InputError, match=r"predictions/ensemble\.npz is not about the test images"):
        stage()
    assert not Path("metrics/uncertainty.json").exists()
    assert not Path("predictions/uncertainty.npz").exists()


def test_a_model_without_dropout_stops_the_stage(made):
    model = network(drop_rate=0.0)
    checkpoints.save("models/train_effnet", Checkpoint(model.config, model.state_dict()))
    with pytest.raises(InputError, match=r"train_effnet has no active dropout.*effnet\.drop_rate"):
        stage()
