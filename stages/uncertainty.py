"""Monte Carlo dropout on student and teacher against their single passes and the ensemble, on the test images.

Dropout sits in the heads alone: see `ladder.deploy.mc_dropout` for what it cannot show.
"""

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import checkpoints, files, predictions, splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.core.types import Part
from ladder.deploy import mc_dropout
from ladder.drawing import plots, uncertainty_plots
from ladder.scoring import metrics, scores
from ladder.scoring import uncertainty as us
from ladder.training import devices, models

STUDENT, ENSEMBLE = "distill", "ensemble"
FOLDER, PER_IMAGE = "plots/uncertainty", "predictions/uncertainty.npz"
PICTURES = ("reliability.png", "risk_coverage.png", "most_uncertain.png", "confidently_wrong.png")
OUTPUTS = [
    "metrics/uncertainty.json",
    *(f"{FOLDER}/{name}" for name in ("scores.csv", "risk_coverage.csv", *PICTURES)),
    PER_IMAGE,
]
COVERAGE = np.arange(1, 101) / 100
ON_A_SHEET = 25


def main() -> None:
    teacher = params.read().distill.teacher
    roles = {"distill": STUDENT, "teacher": teacher}
    inputs = ["data/split", *(f"models/{name}" for name in roles.values())]
    inputs += [f"predictions/{name}.npz" for name in (*roles.values(), ENSEMBLE)]
    with runs.stage("uncertainty", lambda p: p.monte_carlo(), inputs=inputs, outputs=OUTPUTS) as run:
        cfg = run.params
        test = splits.load_part("data/split", "test")
        classes = predictions.load(f"predictions/{STUDENT}.npz").classes
        samples = {role: sample(name, test, cfg) for role, name in roles.items()}  # (T, N, C) each

        answers = {}  # column -> (model, method, log probabilities (N, C))
        for role, name in roles.items():
            answers[f"{role}_single"] = (name, "one pass", recorded(name, test))
            answers[f"{role}_mc"] = (name, f"MC dropout, {cfg.passes} passes", us.predictive(samples[role]))
        answers["ensemble"] = (ENSEMBLE, "vote", recorded(ENSEMBLE, test))

        per_image = {role: uncertainties(sampled) for role, sampled in samples.items()}
        columns = {f"{role}_{key}": array for role, arrays in per_image.items() for key, array in arrays.items()}
        with files.atomic(PER_IMAGE) as temporary, temporary.open("wb") as file:
            np.savez(file, ids=test.ids, labels=test.labels, **columns)

        risks = {key: us.risks(us.entropy(logs), mistakes(logs, test)) for key, (_, _, logs) in answers.items()}
        rows = {key: score(logs, risks[key], test, cfg.ece_bins) for key, (_, _, logs) in answers.items()}
        for role, arrays in per_image.items():
            wrong = arrays["prediction"] != test.labels
            for key in ("mutual_information", "variance"):
                rows[f"{role}_mc"][f"auroc_{key}"] = us.auroc(arrays[key], wrong)
        named = [{"model": model, "method": method, **rows[key]} for key, (model, method, _) in answers.items()]
        files.write_csv(f"{FOLDER}/scores.csv", pd.DataFrame(named))
        metrics.save("uncertainty", headline(rows))

        curves = {key: us.risk_at(risk, COVERAGE) for key, risk in risks.items()}
        files.write_csv(f"{FOLDER}/risk_coverage.csv", pd.DataFrame({"coverage": COVERAGE, **curves}))
        draw_curves(answers, rows, curves, len(test))
        draw_reliability(answers, rows, test, cfg.ece_bins)
        draw_sheets(np.exp(answers["distill_mc"][2]), per_image["distill"], test, classes)
    print(describe(roles, rows))


def sample(name: str, test: Part, cfg: params.MonteCarlo) -> np.ndarray:
    model = models.restore(checkpoints.load(f"models/{name}")).to(devices.select(cfg.hardware))
    return mc_dropout.mc_dropout(
        model,
        test.images,
        passes=cfg.passes,
        seed=cfg.seed,
        batch_size=cfg.hardware.predict_batch_size,
        name=name,
    )


def recorded(name: str, test: Part) -> np.ndarray:
    """Log probabilities (N, C) of what a model or the ensemble answered in its own stage."""
    answers = predictions.load(f"predictions/{name}.npz").test
    if not np.array_equal(answers.ids, test.ids):
        raise InputError(f"predictions/{name}.npz is not about the test images of data/split: `dvc repro` makes both")
    return log_softmax(answers.logits.astype(np.float64), axis=1)


def mistakes(logs: np.ndarray, test: Part) -> np.ndarray:
    return logs.argmax(axis=1) != test.labels


def uncertainties(samples: np.ndarray) -> dict[str, np.ndarray]:
    """What `predictions/uncertainty.npz` holds of one model, (N,) each."""
    mean = us.predictive(samples)
    return {
        "prediction": mean.argmax(axis=1),
        "entropy": us.entropy(mean),
        "expected_entropy": us.expected_entropy(samples),
        "mutual_information": us.mutual_information(samples),
        "variance": us.variance(samples),
    }


def score(logs: np.ndarray, risks: np.ndarray, test: Part, ece_bins: int) -> dict[str, float]:
    """One row of `scores.csv`. Images are ranked by predictive entropy; NaN: no mistakes, or nothing else."""
    return {
        "accuracy": scores.accuracy(logs, test.labels),
        "nll": scores.nll(logs, test.labels),
        "brier": scores.brier(logs, test.labels),
        "ece": scores.ece(logs, test.labels, bins=ece_bins),
        "auroc": us.auroc(us.entropy(logs), mistakes(logs, test)),
        "aurc": us.aurc(risks),
        **{f"accuracy_at_{share}": float(1 - us.risk_at(risks, share / 100)) for share in (80, 90, 95)},
    }


def headline(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """NLL, ECE and AUROC with dropout, and the single pass' AUROC (its NLL and ECE are in the model's own metrics).

    An AUROC that does not exist is left out: `dvc metrics diff` compares finite numbers only.
    """
    figures = {}
    for role in ("distill", "teacher"):
        figures |= {f"{role}_mc_{key}": rows[f"{role}_mc"][key] for key in ("nll", "ece", "auroc")}
        figures[f"{role}_single_auroc"] = rows[f"{role}_single"]["auroc"]
    return {key: value for key, value in figures.items() if np.isfinite(value)}


def draw_curves(answers: dict, rows: dict, curves: dict[str, np.ndarray], images: int) -> None:
    student = rows["distill_mc"]
    uncertainty_plots.risk_coverage(
        f"{FOLDER}/risk_coverage.png",
        COVERAGE,
        {f"{model}, {method}": curves[key] for key, (model, method, _) in answers.items()},
        f"{STUDENT} with MC dropout: {1 - student['accuracy_at_80']:.1%} mistakes on its most certain 80%,"
        f" {1 - student['accuracy']:.1%} on all\n{images:,} test images ranked by predictive entropy\n"
        "only the heads have dropout: what their features miss, no pass can tell",
    )


def draw_reliability(answers: dict, rows: dict, test: Part, ece_bins: int) -> None:
    panels: dict[str, dict] = {}
    for key, (model, method, logs) in answers.items():
        label = f"{method.partition(',')[0]}: ECE {rows[key]['ece']:.1%}"
        panels.setdefault(model, {})[label] = us.reliability(logs, test.labels, ece_bins)
    single, mc = rows["distill_single"]["ece"], rows["distill_mc"]["ece"]
    uncertainty_plots.reliability(
        f"{FOLDER}/reliability.png",
        panels,
        f"{STUDENT}: calibration error {single:.1%} in one pass, {mc:.1%} with MC dropout\n"
        "below the diagonal: more confident than right; above: less; beneath: how many images",
    )


def draw_sheets(probabilities: np.ndarray, values: dict[str, np.ndarray], test: Part, classes: tuple[str, ...]) -> None:
    """The student's most uncertain images, and its most confident mistakes. Ties: in the order of the test part."""
    confidence, wrong = probabilities.max(axis=1), values["prediction"] != test.labels

    short = uncertainty_plots.short

    def captions(chosen: np.ndarray) -> list[str]:
        return [
            f"{'✗' if wrong[i] else '✓'} {short(classes[values['prediction'][i]])}\n"
            f"label {short(classes[test.labels[i]])}\n"
            f"probability {confidence[i]:.2%}\n"
            f"H {values['entropy'][i]:.3f}  MI {values['mutual_information'][i]:.3f}"
            for i in chosen
        ]

    def title(first: str, order: str) -> str:
        what = "answer with MC dropout, label, probability, predictive entropy H, mutual information MI (nats)"
        return f"{STUDENT}{first}\n{what}; sorted by {order}"

    uncertain = np.argsort(-values["entropy"], kind="stable")[:ON_A_SHEET]
    found = title(f" is wrong on {wrong[uncertain].sum()} of the {len(uncertain)} images it is least certain of", "H")
    plots.contact_sheet(f"{FOLDER}/most_uncertain.png", test.images[uncertain], captions(uncertain), found)

    mistaken = np.flatnonzero(wrong)
    confident = mistaken[np.argsort(-confidence[mistaken], kind="stable")][:ON_A_SHEET]
    found = title(f": {len(confident)} of its {len(mistaken):,} mistakes, those it is most certain of", "probability")
    plots.contact_sheet(f"{FOLDER}/confidently_wrong.png", test.images[confident], captions(confident), found)


def describe(roles: dict[str, str], rows: dict[str, dict[str, float]]) -> str:
    lines = []
    for role, name in roles.items():
        single, mc = rows[f"{role}_single"], rows[f"{role}_mc"]
        changes = [f"{key} {single[key]:.4f} -> {mc[key]:.4f}" for key in ("nll", "ece", "auroc")]
        lines.append(f"{name}, one pass -> MC dropout: {', '.join(changes)}")
    return "\n".join(lines)


if __name__ == "__main__":
    exit_on_input_error(main)
