"""report.md: what the models of the ladder are and score, and which differences between them are more than chance.

The sentences stand in templates/report.md.j2; here is what they are filled with.
"""

import platform
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import Any

from ladder import params
from ladder.core.types import Predictions
from ladder.reporting import markdown
from ladder.scoring import ladder

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

PRECISIONS = ("float", "dynamic", "static")  # of ONNX files, as `<model>_<precision>`
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


def settings(p: params.Params) -> Settings:
    told = Settings.model_fields.keys() - params.Computing.model_fields.keys()
    return Settings(threads=p.hardware.threads, **{name: getattr(p, name) for name in told})


def text(
    models: Mapping[str, Predictions],
    measured: Mapping[str, Mapping[str, float]],
    compared: Sequence[ladder.Compared],
    cfg: Settings,
    augmented: Collection[str],
) -> str:
    """The text of report.md, the same for the same input and library versions.

    Args:
        models: name -> answers, in the order of the ladder.
        measured: name -> the content of its metrics file.
        compared: what `ladder.compare` gives.
        augmented: names of the rungs that read `aug`.
    """
    first = next(iter(models.values()))
    rungs = {name: _rung(name, models, measured[name], cfg.aug.enabled and name in augmented) for name in models}
    return markdown.render(
        "report.md.j2",
        source=first.provenance["source"],
        source_digest=first.provenance["source_digest"],
        val_images=len(first.val),
        test_images=len(first.test),
        classes=len(first.classes),
        rungs=list(rungs.values()),
        best=rungs[ladder.best_on_validation(models)],
        aug=cfg.aug.model_dump(),
        teacher=cfg.distill.teacher,
        scores_confidence=cfg.evaluate.confidence,
        compared=ladder.table(compared).to_dict("records"),
        differing=sum(row.adjusted_p <= 1 - cfg.report.confidence for row in compared),
        steps_confidence=cfg.report.confidence,
        bootstrap_samples=cfg.report.bootstrap_samples,
        reference_size=REFERENCE_SIZE,
        split_seed=cfg.data.split_seed,
        seed=cfg.seed,
        versions={"Python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
    )


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
