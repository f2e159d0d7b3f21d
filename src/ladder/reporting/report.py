"""What the ladder shows: the table of all models, the paired comparisons it exists for, and report.md around them."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ladder import params
from ladder.core.types import Predictions
from ladder.reporting import markdown
from ladder.scoring import comparisons, scores

# Every model that is evaluated, in the order of the ladder.
LADDER = (
    "train_baseline",
    "train_noaug",
    "train_aug",
    "train_resnet",
    "train_se",
    "train_effnet",
    "ensemble",
    "train_student",
    "distill",
    "distill_float",
    "distill_dynamic",
    "distill_static",
    "train_resnet_float",
    "train_resnet_dynamic",
    "train_resnet_static",
)

# Test accuracies of the reference system (a Colab notebook in PyTorch and timm), from one run each: ImageNet weights,
# images enlarged to 224 px, the official CIFAR-10.
REFERENCE = {
    "train_baseline": 0.9391,
    "train_noaug": 0.9504,
    "train_aug": 0.9584,
    "train_resnet": 0.9556,
    "train_se": 0.9551,
    "train_effnet": 0.9716,
    "ensemble": 0.9727,
    "distill": 0.8835,
}
REFERENCE_SIZE = 224

SOURCES = {
    "cifar10": "CIFAR-10 (the official archive)",
    "cifar10_jpeg": "CIFAR-10 (a public copy re-encoded as JPEG, so its pixels are not quite the official ones)",
    "image_folder": "a folder of one's own images",
    "digits": "scikit-learn's handwritten digits",
}
ONNX = {
    "float": "in 32-bit floats",
    "dynamic": "with int8 weights in the linear layers alone; all convolutions stay in floats",
    "static": "with int8 weights and int8 values between layers, their ranges measured beforehand on training images",
}
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "matplotlib",
    "pillow",
    "onnx",
    "onnxruntime",
)
CONFUSED_PAIRS = 10


class Settings(params.Group):
    """The params that the report depends on or tells of."""

    seed: int
    data: params.Data
    aug: params.Aug
    distill: params.Distill
    evaluate: params.Evaluate
    report: params.Report


class Step(NamedTuple):
    """A step of the ladder: does the model `first` answer more test images right than `second`?"""

    name: str
    first: str
    second: str
    changed: str


class Compared(NamedTuple):
    """A step's outcome: a is its `first` model, b its `second`; `adjusted_p` is Holm's over all steps shown."""

    step: Step
    result: comparisons.Comparison
    adjusted_p: float
    verdict: str


def settings(p: params.Params) -> Settings:
    return Settings(**{name: getattr(p, name) for name in Settings.model_fields})


def correct(model: Predictions) -> np.ndarray:
    """Which test images a model gets right: bool (N,)."""
    return answers(model) == model.test.labels


def answers(model: Predictions) -> np.ndarray:
    """The classes a model gives the test images: int64 (N,)."""
    return model.test.logits.argmax(axis=1)


def best_on_validation(models: Mapping[str, Predictions]) -> str:
    """The name of the model with the highest validation accuracy, the first one of equals."""
    return max(models, key=lambda name: scores.accuracy(models[name].val.logits, models[name].val.labels))


def steps(models: Mapping[str, Predictions]) -> list[Step]:
    """The steps to compare, of those whose two models are there."""
    found = [
        Step("augmentation", "train_aug", "train_noaug", "augmented training images against plain ones"),
        Step("se", "train_se", "train_resnet", "squeeze-and-excitation block and dropout against neither"),
    ]
    if "ensemble" in models:
        members = models["ensemble"].provenance["members"]
        best = best_on_validation({name: models[name] for name in members})
        found.append(Step("ensemble", "ensemble", best, "ensemble against its best member (by validation accuracy)"))
    found += [
        Step("distillation", "distill", "train_student", "a student with a teacher against one without"),
        Step("int8_distill", "distill_static", "distill_float", "int8 against float, distill"),
        Step("int8_train_resnet", "train_resnet_static", "train_resnet_float", "int8 against float, train_resnet"),
    ]
    return [step for step in found if step.first in models and step.second in models]


def compare(models: Mapping[str, Predictions], cfg: Settings) -> list[Compared]:
    """Compare the two models of each step on the test images, and correct the p-values for all that are shown."""
    found = [
        comparisons.compare(
            correct(models[step.first]),
            correct(models[step.second]),
            confidence=cfg.report.confidence,
            samples=cfg.report.bootstrap_samples,
            seed=cfg.seed,
        )
        for step in steps(models)
    ]
    adjusted = comparisons.holm([result.p_value for result in found]).tolist()
    return [
        Compared(step, result, p, comparisons.verdict(result, p, confidence=cfg.report.confidence))
        for step, result, p in zip(steps(models), found, adjusted, strict=True)
    ]


def table(compared: Sequence[Compared]) -> pd.DataFrame:
    """`comparisons.csv`: a row per step, with the fields of Step and Comparison, `adjusted_p` and `verdict`."""
    return pd.DataFrame(
        row.step._asdict() | asdict(row.result) | {"adjusted_p": row.adjusted_p, "verdict": row.verdict}
        for row in compared
    )


def headline(compared: Sequence[Compared]) -> dict[str, float]:
    """`metrics/report.json`: each step's difference in accuracy, a fraction."""
    return {f"{row.step.name}_difference": row.result.difference for row in compared}


def class_accuracies(models: Mapping[str, Predictions]) -> np.ndarray:
    """Test accuracy by class, float (M, C), NaN for a class without images."""
    return np.stack(
        [scores.per_class(model.test.logits, model.test.labels, 0.5)["accuracy"] for model in models.values()]
    )


def confused(models: Mapping[str, Predictions], by: str) -> tuple[list[str], list[np.ndarray]]:
    """The pairs `actual → answer` that the model `by` confuses most, and how often each of the models does: (P,)."""
    counts = {name: scores.confusion(model.test.logits, model.test.labels) for name, model in models.items()}
    errors = np.where(np.eye(len(counts[by]), dtype=bool), 0, counts[by])
    most = np.argsort(-errors, axis=None, kind="stable")[:CONFUSED_PAIRS]
    actual, predicted = np.unravel_index(most[errors.ravel()[most] > 0], errors.shape)
    classes = models[by].classes
    pairs = [f"{classes[a]} → {classes[p]}" for a, p in zip(actual, predicted, strict=True)]
    return pairs, [count[actual, predicted] for count in counts.values()]


def only_right(a: Predictions, b: Predictions, seed: int, at_most: int) -> tuple[np.ndarray, int]:
    """Indices of at most so many test images, drawn at random, that only a answers right; and how many there are."""
    found = np.flatnonzero(correct(a) & ~correct(b))
    drawn = np.random.default_rng(seed).permutation(found)[:at_most]
    return np.sort(drawn), len(found)


def text(
    models: Mapping[str, Predictions],
    measured: Mapping[str, Mapping[str, float]],
    compared: Sequence[Compared],
    cfg: Settings,
) -> str:
    """The text of report.md, the same for the same input and library versions.

    Args:
        models: name -> answers, in the order of the ladder.
        measured: name -> the content of its metrics file.
        compared: what `compare` gives.
    """
    images = len(next(iter(models.values())).test)
    sections = [
        _introduction(models, measured, compared, cfg, images),
        _rungs(models, cfg),
        _table_of_models(models, measured, cfg),
        _reference(models, measured),
        _steps(compared, cfg, images),
        _errors(models),
        _provenance(models, cfg),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _introduction(
    models: Mapping[str, Predictions],
    measured: Mapping[str, Mapping[str, float]],
    compared: Sequence[Compared],
    cfg: Settings,
    images: int,
) -> str:
    best = best_on_validation(models)
    shown = sum(row.adjusted_p <= 1 - cfg.report.confidence for row in compared)
    accuracy = markdown.percent(measured[best]["accuracy"])
    source = SOURCES[models[best].provenance["source"]]
    return f"""\
# What the ladder shows

The ladder is a series of image classifiers. Each *rung* changes one thing, or a few, about an earlier one: augmented
training images, another architecture, several models voting, a small model taught by a large one, a model stored in
8-bit integers. All are scored here on the same {images:,} test images, which had no part in training them or in
choosing between them.

- The images: {source}.
- The model with the highest validation accuracy is `{best}`: {accuracy}% of its answers on the test images are right
  ({_interval(measured[best])} with {_confidence(cfg.evaluate)} confidence).
- In {shown} of the {len(compared)} pairs compared below, the difference is larger than the choice of test images
  explains.
- Every rung was trained once, from one seed. So the report speaks of these trained models; to say that one method is
  better than another takes several seeds of each."""


def _rungs(models: Mapping[str, Predictions], cfg: Settings) -> str:
    rows = [
        (f"`{name}`", _describe(name, about, cfg), about["arch"], f"{about['input_size']} px", about["weights"])
        for name, about in ((name, model.provenance) for name, model in models.items())
    ]
    return f"""\
## The rungs

{markdown.table(("rung", "what it is", "architecture", "images", "initial weights"), rows)}

`scratch` means random initial weights. A trained rung keeps the epoch with the best validation score."""


def _describe(name: str, about: Mapping[str, Any], cfg: Settings) -> str:
    """What a rung is, for somebody new to it."""
    base, _, kind = name.rpartition("_")
    if base and kind in ONNX:
        return f"`{base}` as an ONNX file {ONNX[kind]}"
    if name == "ensemble":
        shares = ", ".join(f"`{member}` ({share:.3f})" for member, share in about["members"].items())
        return f"no training of its own: the weighted mean of the {about['vote']} of {shares}"
    views = "on augmented images" if cfg.aug.enabled else "without augmentation"
    return {
        "train_baseline": "a plain recipe, without augmentation: the ground that the ladder stands on",
        "train_noaug": "a better recipe, still without augmentation",
        "train_aug": f"the recipe and network of `train_noaug`, {_augmentation(cfg.aug)}",
        "train_resnet": f"a recipe that it shares with `train_se`, {views}",
        "train_se": "`train_resnet` with a squeeze-and-excitation block, which weighs the channels of the last feature"
        " map by what the image shows, and dropout before the classifier",
        "train_effnet": f"another architecture with a recipe of its own, {views}",
        "train_student": f"a small network, {views}, taught by the labels alone",
        "distill": f"the recipe and network of `train_student`, taught by the answers of `{cfg.distill.teacher}` too"
        " (distillation)",
    }[name]


def _augmentation(aug: params.Aug) -> str:
    """How training images are varied, as the end of a sentence."""
    if not aug.enabled:
        return "and the same run: augmentation is off (`aug.enabled`)"
    jitter = aug.color_jitter
    ways = [
        (aug.hflip, f"mirrored with probability {aug.hflip:g}"),
        (aug.crop_padding, f"shifted by up to {aug.crop_padding} px"),
        (aug.rotation, f"turned by up to {aug.rotation:g} degrees"),
        (jitter.brightness or jitter.contrast or jitter.saturation or jitter.hue, "varied in color"),
        (aug.cutout, f"with a square of {aug.cutout} px blanked"),
    ]
    varied = ", ".join(way for amount, way in ways if amount)
    return f"each training image varied anew in every epoch: {varied or 'by nothing, every transform is at 0'}"


def _table_of_models(
    models: Mapping[str, Predictions], measured: Mapping[str, Mapping[str, float]], cfg: Settings
) -> str:
    confidence = _confidence(cfg.evaluate)
    rows = [
        (
            f"`{name}`",
            markdown.percent(measured[name]["accuracy"]),
            _interval(measured[name]),
            f"{measured[name]['nll']:.4f}",
            f"{measured[name]['ece']:.4f}",
            f"{model.provenance['parameters']:,}",
            f"{model.provenance['epochs']}",
        )
        for name, model in models.items()
    ]
    header = ("rung", "accuracy (%)", f"{confidence} interval (%)", "NLL (nats)", "ECE", "parameters", "epochs")
    return f"""\
## The ladder

{markdown.table(header, rows)}

How to read it:

- *accuracy*: the share of test images answered right. Other test images of the same kind would give a slightly other
  figure: the *interval* says how far off it may be. Two overlapping intervals do not mean that two models are alike,
  since they were scored on the same images: the comparisons below use that and see more.
- *NLL* (negative log likelihood): what a model's probabilities cost when the truth is known; sure and wrong costs most.
  Less is better.
- *ECE* (expected calibration error): how far a model's confidence is from how often it is right, from 0 to 1. Less is
  better.
- *parameters* and *epochs* (passes over the training images) say what a rung costs; for an ensemble, the sum over its
  members.

![Accuracy of every rung with its interval](plots/report/ladder.png)"""


def _reference(models: Mapping[str, Predictions], measured: Mapping[str, Mapping[str, float]]) -> str:
    """The table beside the reference; empty for images other than CIFAR-10."""
    about = {name: models[name].provenance for name in models if name in REFERENCE}
    if not all(source["source"].startswith("cifar10") for source in about.values()):
        return ""
    rows = [
        (f"`{name}`", markdown.percent(measured[name]["accuracy"]), markdown.percent(REFERENCE[name]), _other(source))
        for name, source in about.items()
    ]
    return f"""\
## Beside the reference

The project follows the levels of an earlier system, which reported these test accuracies on the official CIFAR-10
images, enlarged to {REFERENCE_SIZE} px, with networks pretrained on ImageNet; one run each, without an interval.
Recipes and epochs differ too, so the two columns set the scene and are not a contest.

{markdown.table(("rung", "here (%)", "reference (%)", "what differs here"), rows)}"""


def _other(about: Mapping[str, Any]) -> str:
    """What differs from the reference: pixels, weights, image size."""
    differences = [
        (about["source"] == "cifar10_jpeg", "JPEG re-encoded pixels"),
        ("scratch" in about["weights"], "random initial weights"),
        (about["input_size"] != REFERENCE_SIZE, f"{about['input_size']} px"),
    ]
    return ", ".join(text for differs, text in differences if differs) or "none of pixels, weights, image size"


def _steps(compared: Sequence[Compared], cfg: Settings, images: int) -> str:
    rows = [
        (
            step.changed,
            f"`{step.first}`",
            f"`{step.second}`",
            markdown.points(result.difference),
            f"{markdown.points(result.low)} to {markdown.points(result.high)}",
            f"{result.only_a:,} / {result.only_b:,}",
            markdown.p_value(result.p_value),
            markdown.p_value(adjusted_p),
            verdict,
        )
        for step, result, adjusted_p, verdict in compared
    ]
    confidence = _confidence(cfg.report)
    header = ("step", "first", "second", "difference", f"{confidence} interval", "only one right", "p", "p (Holm)")
    return f"""\
## Step by step: which models differ

{markdown.table((*header, "verdict"), rows)}

How to read it:

- *difference*: accuracy of the first model minus that of the second, in percentage points, with a bootstrap interval
  ({cfg.report.bootstrap_samples:,} samples of the test images).
- *only one right*: how many of the {images:,} images only the first, and only the second, answers right. Nothing else
  sets the two apart.
- *p*: how often two equally good models that disagree on as many images would differ at least so much (exact McNemar
  test). Several tests give more chances to be fooled; *p (Holm)* is corrected for the {len(compared)} shown here, and
  the verdict goes by it: at most {1 - cfg.report.confidence:.3g} counts as a difference.
- The *verdict* is about these two trained models on images like these. Trained again from another seed, either might
  come out somewhat better or worse, which no test on one run of each can see. "Not distinguishable" does not mean
  equal: the interval says how large a difference may hide there. It may exclude zero all the same: it is not corrected
  for several tests."""


def _errors(models: Mapping[str, Predictions]) -> str:
    best = best_on_validation(models)
    return f"""\
## Where the models err

![Accuracy of every rung by class](plots/report/classes.png)

What `{best}`, the best on validation, still confuses most, beside `{LADDER[0]}`:

![Most confused pairs of classes](plots/report/confused.png)

A difference in accuracy is a balance of images won and lost. What only the model trained with augmentation gets right:

![Test images that only the model trained with augmentation gets right](plots/report/fixed.png)

And what only the one trained without it gets right:

![Test images that only the model trained without augmentation gets right](plots/report/broken.png)"""


def _provenance(models: Mapping[str, Predictions], cfg: Settings) -> str:
    model = next(iter(models.values()))
    about = model.provenance
    versions = [("Python", platform.python_version()), *((name, metadata.version(name)) for name in PACKAGES)]
    return f"""\
## Where this comes from

- Images: source `{about["source"]}`, sha256 `{about["source_digest"]}`
- Parts: {len(model.val):,} validation and {len(model.test):,} test images of {len(model.classes)} classes
- Seeds: `data.split_seed` {cfg.data.split_seed} for the split, `seed` {cfg.seed} for everything else
- Every other number that a result depends on: `params.yaml`; every file: `dvc.lock`

Library versions where this report was written:

{markdown.table(("package", "version"), versions)}"""


def _interval(measured: Mapping[str, float]) -> str:
    return f"{markdown.percent(measured['accuracy_low'])} to {markdown.percent(measured['accuracy_high'])}"


def _confidence(group: params.Evaluate | params.Report) -> str:
    return f"{100 * group.confidence:g}%"
