"""What the ladder as a whole shows: its steps compared on the same test images, and where its models err."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pandas as pd

from ladder.core.types import Predictions
from ladder.scoring import comparisons, scores, tables

CONFUSED_PAIRS = 10


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


def compare(models: Mapping[str, Predictions], *, confidence: float, samples: int, seed: int) -> list[Compared]:
    """Compare the two models of each step on the test images, and correct the p-values for all that are shown.

    Args:
        models: name -> answers, all on the same images.
        confidence, samples, seed: as in `comparisons.compare`; at most 1 - confidence counts as a difference.
    """
    found = [
        comparisons.compare(
            correct(models[step.first]),
            correct(models[step.second]),
            confidence=confidence,
            samples=samples,
            seed=seed,
        )
        for step in steps(models)
    ]
    adjusted = comparisons.holm([result.p_value for result in found]).tolist()
    return [
        Compared(step, result, p, comparisons.verdict(result, p, confidence=confidence))
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
    named = [tables.isolated(name) for name in classes]
    pairs = [f"{named[a]} → {named[p]}" for a, p in zip(actual, predicted, strict=True)]
    return pairs, [count[actual, predicted] for count in counts.values()]


def only_right(a: Predictions, b: Predictions, seed: int, at_most: int) -> tuple[np.ndarray, int]:
    """Indices of at most so many test images, drawn at random, that only a answers right; and how many there are."""
    found = np.flatnonzero(correct(a) & ~correct(b))
    drawn = np.random.default_rng(seed).permutation(found)[:at_most]
    return np.sort(drawn), len(found)
