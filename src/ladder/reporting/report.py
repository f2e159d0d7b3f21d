"""report.md and its page: what the models of the ladder are and score, and which differences are more than chance.

The sentences stand in templates/report.md.j2, and in report_page.md.j2, which adds to it; here is what they are filled
with.
"""

import platform
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ladder import params
from ladder.core.types import Predictions
from ladder.reporting import data, markdown, page, tracked
from ladder.scoring import ladder, scores, tables


class Reference(NamedTuple):
    """A test accuracy, and timm's names of the networks that reached it."""

    accuracy: float
    arch: str


# The reference system (a Colab notebook in PyTorch and timm), from one run each: ImageNet weights, images enlarged to
# 224 px, the official CIFAR-10.
REFERENCE = {
    "train_baseline": Reference(0.9391, "resnet18"),
    "train_noaug": Reference(0.9504, "resnet18"),
    "train_aug": Reference(0.9584, "resnet18"),
    "train_resnet": Reference(0.9556, "resnet18"),
    "train_se": Reference(0.9551, "resnet18"),
    "train_effnet": Reference(0.9716, "efficientnet_b0"),
    "ensemble": Reference(0.9727, "resnet18 + efficientnet_b0"),
    "distill": Reference(0.8835, "mobilenetv3_small_100"),
}
REFERENCE_SIZE = 224

STUDENT = "distill_static"
DOUBTS = "plots/uncertainty/scores.csv"
MEASURES = ("accuracy", "nll", "brier", "ece", "auroc", "aurc", "accuracy_at_80")

PRECISIONS = ("float", "dynamic", "static")  # of ONNX files, as `<model>_<precision>`
VALUES_SAID = 2  # differences between two recipes of which the text gives the values, not the names alone
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


class Settings(params.Computing):
    """The params that the report depends on or tells of."""

    seed: int
    data: params.Data
    aug: params.Aug
    distill: params.Distill
    evaluate: params.Evaluate
    report: params.Report
    recipes: dict[str, params.Recipe]


# A rung and the one before it with another recipe: the text says what the recipes differ in.
RECIPES = {"train_noaug": "train_baseline", "train_resnet": "train_aug"}


def shown(pictures: str) -> list[str]:
    """The pictures of earlier stages that the page holds; those of images lie in the folder `pictures`."""
    drawn = [f"plots/uncertainty/{name}.png" for name in ("reliability", "risk_coverage")]
    of_images = [f"{pictures}/uncertainty/{name}.png" for name in ("most_uncertain", "confidently_wrong")]
    return [*drawn, *of_images, *data.shown(pictures)]


def settings(p: params.Params) -> Settings:
    named = [name for name in (*RECIPES, *RECIPES.values()) if name in p.ladder.rungs]
    recipes = {name: p.recipe(p.ladder.rungs[name].recipe) for name in named}
    told = Settings.model_fields.keys() - params.Computing.model_fields.keys() - {"recipes"}
    return Settings(threads=p.hardware.threads, recipes=recipes, **{name: getattr(p, name) for name in told})


def unlike(name: str, recipes: Mapping[str, params.Recipe]) -> str:
    """What sets the recipe of a rung apart from that of the rung before it, in words; nothing for rungs without one."""
    before = RECIPES.get(name, "")
    if name not in recipes or before not in recipes:
        return ""
    one, other = recipes[name].model_dump(), recipes[before].model_dump()
    changed = [key for key in one if one[key] != other[key]]
    if not changed:
        return f"the same recipe as `{before}`"
    if len(changed) <= VALUES_SAID:
        return f"the recipe of `{before}` but for " + ", ".join(
            f"{key} {one[key]}, not {other[key]}" for key in changed
        )
    return f"another recipe than `{before}` in {', '.join(changed)}"


def values(
    models: Mapping[str, Predictions],
    measured: Mapping[str, Mapping[str, float]],
    compared: Sequence[ladder.Compared],
    cfg: Settings,
    augmented: Collection[str],
    seeds: str = "",
) -> dict[str, Any]:
    """What the templates of report.md and of its page are filled with.

    Args:
        models: name -> answers, in the order of the ladder.
        measured: name -> the content of its metrics file.
        compared: what `ladder.compare` gives.
        augmented: names of the rungs that read `aug`.
        seeds: the tables of a sweep over seeds, in Markdown; empty if there are none.
    """
    first = next(iter(models.values()))
    rungs = {name: _rung(name, models, measured[name], cfg.aug.enabled and name in augmented) for name in models}
    for rung in rungs.values():  # than the student's teacher
        rung["is_small"] = rung["about"]["parameters"] < models[cfg.distill.teacher].provenance["parameters"]
    return {
        "source": first.provenance["source"],
        "source_digest": first.provenance["source_digest"],
        "val_images": len(first.val),
        "test_images": len(first.test),
        "classes": len(first.classes),
        "rungs": list(rungs.values()),
        "best": rungs[ladder.best_on_validation(models)],
        "aug": cfg.aug.model_dump(),
        "teacher": cfg.distill.teacher,
        "scores_confidence": cfg.evaluate.confidence,
        "compared": ladder.table(compared).to_dict("records"),
        "differing": sum(row.adjusted_p <= 1 - cfg.report.confidence for row in compared),
        "steps_confidence": cfg.report.confidence,
        "bootstrap_samples": cfg.report.bootstrap_samples,
        "reference_size": REFERENCE_SIZE,
        "split_seed": cfg.data.split_seed,
        "seed": cfg.seed,
        "unlike": {name: unlike(name, cfg.recipes) for name in models},
        "warned": {name: found for name in models if (found := _warnings(models[name], cfg.evaluate.confidence))},
        "counts": _counts(first),
        "pictures": cfg.data.pictures,
        "seeds": seeds.strip(),
        "versions": {"Python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
    }


def text(given: Mapping[str, Any]) -> str:
    """The text of report.md, the same for the same values and library versions."""
    return markdown.render("report.md.j2", **given)


def html(given: Mapping[str, Any], models: Mapping[str, Predictions]) -> str:
    """The page: the text of report.md and more, with the pictures of this tree. What it shows of one model, it shows
    of the best on validation and of the deployed student.

    Raises: InputError for a picture or table of an earlier stage that is missing.
    """
    closer = [name for name in dict.fromkeys((given["best"]["name"], STUDENT)) if name in models]
    return page.html(
        markdown.render(
            "report_page.md.j2",
            **given,
            closer=[_closer(name, models[name], given["scores_confidence"]) for name in closer],
            doubts=tracked.rows(DOUBTS, ("model", "method", *MEASURES)),
            **data.values(),
        )
    )


def _closer(name: str, model: Predictions, confidence: float) -> dict[str, Any]:
    """A model's confusion matrix and scores by class: as in `plots/<name>/confusion.csv` and `classes.csv`."""
    logits, labels = model.test.logits, model.test.labels
    by_class = pd.DataFrame({"class": model.classes, **scores.per_class(logits, labels, confidence)})
    return {
        "name": name,
        "classes": model.classes,
        "counts": scores.confusion(logits, labels).tolist(),
        "by_class": by_class.to_dict("records"),
    }


def _warnings(model: Predictions, confidence: float) -> list[str]:
    return scores.warnings(model.test.logits, model.test.labels, model.classes, confidence)


def _counts(model: Predictions) -> dict[str, tuple[int, int]]:
    """Class -> numbers of its validation and test images."""
    val, test = (np.bincount(part.labels, minlength=len(model.classes)).tolist() for part in (model.val, model.test))
    return {tables.isolated(name): (v, t) for name, v, t in zip(model.classes, val, test, strict=True)}


def _rung(
    name: str, models: Mapping[str, Predictions], measured: Mapping[str, float], augmented: bool
) -> dict[str, Any]:
    """What the tables say of one model; `stored` and `precision` are None but for the ONNX file of another one."""
    base, _, kind = name.rpartition("_")
    is_file = base in models and kind in PRECISIONS
    return {
        "name": name,
        "about": models[name].provenance,
        "scores": measured,
        "reference": REFERENCE.get(name),
        "augmented": augmented,
        "stored": base if is_file else None,
        "precision": kind if is_file else None,
    }
