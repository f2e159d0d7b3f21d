"""Five ways to answer the test images with an uncertainty: single passes and Monte Carlo dropout of student and
`uncertainty.teacher`, and the ensemble. What each is worth: the numbers of `uncertainty`'s files and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ladder.core.types import Logits
from ladder.scoring import scores, uncertainty
from ladder.scoring.passes import Passes

COVERAGE = np.arange(1, 101) / 100


@dataclass(frozen=True)
class Method:
    """One way to answer: by which model, how, and its log probabilities float64 (N, C)."""

    model: str
    how: str
    log_probabilities: np.ndarray


def single(model: str, how: str, answers: Logits) -> Method:
    """What a model answered in its own stage."""
    return Method(model, how, uncertainty.log_probabilities(answers.logits))


def averaged(model: str, passes: Passes) -> Method:
    """The mean over passes with dropout."""
    count = len(passes.log_probabilities)
    return Method(model, f"MC dropout, {count} passes", uncertainty.predictive(passes.log_probabilities))


def per_image(passes: Passes) -> dict[str, np.ndarray]:
    """What the passes say of each image: (N,) each; entropies and mutual information in nats."""
    sampled = passes.log_probabilities
    mean = uncertainty.predictive(sampled)
    return {
        "prediction": mean.argmax(axis=1),
        "entropy": uncertainty.entropy(mean),
        "expected_entropy": uncertainty.expected_entropy(sampled),
        "mutual_information": uncertainty.mutual_information(sampled),
        "variance": uncertainty.variance(sampled),
    }


def risks(method: Method, labels: np.ndarray) -> np.ndarray:
    """`uncertainty.risks` (N,) with the images ranked by predictive entropy."""
    return uncertainty.risks(uncertainty.entropy(method.log_probabilities), _mistakes(method, labels))


def score(method: Method, labels: np.ndarray, ece_bins: int) -> dict[str, float]:
    """A method's numbers. Images are ranked by predictive entropy; AUROC is NaN with no mistakes, or nothing else."""
    logs, risk = method.log_probabilities, risks(method, labels)
    return {
        "accuracy": scores.accuracy(logs, labels),
        "nll": scores.nll(logs, labels),
        "brier": scores.brier(logs, labels),
        "ece": scores.ece(logs, labels, bins=ece_bins),
        "auroc": uncertainty.auroc(uncertainty.entropy(logs), _mistakes(method, labels)),
        "aurc": uncertainty.aurc(risk),
        **{f"accuracy_at_{share}": float(1 - uncertainty.risk_at(risk, share / 100)) for share in (80, 90, 95)},
    }


def disagreement(values: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[str, float]:
    """How well what passes disagree on tells mistakes, from `per_image`: AUROC of mutual information and variance."""
    wrong = values["prediction"] != labels
    return {f"auroc_{key}": uncertainty.auroc(values[key], wrong) for key in ("mutual_information", "variance")}


def table(methods: Mapping[str, Method], rows: Mapping[str, dict[str, float]]) -> pd.DataFrame:
    """`scores.csv`: a row per method."""
    return pd.DataFrame({"model": m.model, "method": m.how, **rows[key]} for key, m in methods.items())


def curves(methods: Mapping[str, Method], labels: np.ndarray) -> dict[str, np.ndarray]:
    """Share of mistakes at each of COVERAGE, by method: (100,) each."""
    return {key: uncertainty.risk_at(risks(method, labels), COVERAGE) for key, method in methods.items()}


def headline(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """NLL, ECE and AUROC with dropout, and the single pass' AUROC (its NLL and ECE are in the model's own metrics).

    An AUROC that does not exist is left out: `dvc metrics diff` compares finite numbers only.
    """
    figures: dict[str, float] = {}
    for role in ("distill", "teacher"):
        figures |= {f"{role}_mc_{key}": rows[f"{role}_mc"][key] for key in ("nll", "ece", "auroc")}
        figures[f"{role}_single_auroc"] = rows[f"{role}_single"]["auroc"]
    return {key: value for key, value in figures.items() if np.isfinite(value)}


def describe(methods: Mapping[str, Method], rows: Mapping[str, Mapping[str, float]]) -> str:
    """A line for each model with dropout: what the passes change."""
    lines = []
    for role in ("distill", "teacher"):
        one, mean = rows[f"{role}_single"], rows[f"{role}_mc"]
        changes = ", ".join(f"{key} {one[key]:.4f} -> {mean[key]:.4f}" for key in ("nll", "ece", "auroc"))
        lines.append(f"{methods[f'{role}_mc'].model}, one pass -> MC dropout: {changes}")
    return "\n".join(lines)


def _mistakes(method: Method, labels: np.ndarray) -> np.ndarray:
    return method.log_probabilities.argmax(axis=1) != labels
