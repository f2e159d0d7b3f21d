"""The pictures of the stage `uncertainty`: what is drawn, and what their titles say."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ladder.core.types import Part
from ladder.drawing import plots, uncertainty_plots
from ladder.drawing.uncertainty_plots import short
from ladder.scoring import uncertainty
from ladder.scoring.methods import COVERAGE, Method

STUDENT = "distill"
ON_A_SHEET = 25


def risk_coverage(
    path: str | Path, methods: Mapping[str, Method], rows: Mapping[str, dict], curves: Mapping[str, np.ndarray]
) -> None:
    """Draw the curves of `methods.curves`, each named by its model and method."""
    student = rows["distill_mc"]
    images = len(methods["distill_mc"].log_probabilities)
    uncertainty_plots.risk_coverage(
        path,
        COVERAGE,
        {f"{method.model}, {method.how}": curves[key] for key, method in methods.items()},
        f"{STUDENT} with MC dropout: {1 - student['accuracy_at_80']:.1%} mistakes on its most certain 80%,"
        f" {1 - student['accuracy']:.1%} on all\n{images:,} test images ranked by predictive entropy\n"
        "only the heads have dropout: what their features miss, no pass can tell",
    )


def reliability(
    path: str | Path, methods: Mapping[str, Method], rows: Mapping[str, dict], labels: np.ndarray, ece_bins: int
) -> None:
    """Draw a reliability diagram for each model, its methods together."""
    panels: dict[str, dict] = {}
    for key, method in methods.items():
        label = f"{method.how.partition(',')[0]}: ECE {rows[key]['ece']:.1%}"
        panels.setdefault(method.model, {})[label] = uncertainty.reliability(method.log_probabilities, labels, ece_bins)
    single, mc = rows["distill_single"]["ece"], rows["distill_mc"]["ece"]
    uncertainty_plots.reliability(
        path,
        panels,
        f"{STUDENT}: calibration error {single:.1%} in one pass, {mc:.1%} with MC dropout\n"
        "below the diagonal: more confident than right; above: less; beneath: how many images",
    )


def sheets(
    folder: str | Path,
    student: Method,
    values: Mapping[str, np.ndarray],
    test: Part,
    classes: tuple[str, ...],
    files: tuple[str, ...],
) -> None:
    """Contact sheets `most_uncertain.png` and `confidently_wrong.png` of the student with dropout.

    Ties stand in the order of the test part.

    Args:
        values: of `methods.per_image`.
        files: names of the images by id, if they have any.
    """
    confidence = np.exp(student.log_probabilities).max(axis=1)
    wrong = values["prediction"] != test.labels

    def captions(chosen: np.ndarray) -> list[str]:
        return [
            f"{'✗' if wrong[i] else '✓'} {short(classes[values['prediction'][i]])}\n"
            f"label {short(classes[test.labels[i]])}\n"
            f"probability {confidence[i]:.2%}\n"
            f"H {values['entropy'][i]:.3f}  MI {values['mutual_information'][i]:.3f}"
            f"{plots.file_line(files, test.ids[i])}"
            for i in chosen
        ]

    def title(first: str, order: str) -> str:
        what = "answer with MC dropout, label, probability, predictive entropy H, mutual information MI (nats)"
        return f"{STUDENT}{first}\n{what}; sorted by {order}"

    uncertain = np.argsort(-values["entropy"], kind="stable")[:ON_A_SHEET]
    found = title(f" is wrong on {wrong[uncertain].sum()} of the {len(uncertain)} images it is least certain of", "H")
    plots.contact_sheet(f"{folder}/most_uncertain.png", test.images[uncertain], captions(uncertain), found)

    mistaken = np.flatnonzero(wrong)
    confident = mistaken[np.argsort(-confidence[mistaken], kind="stable")][:ON_A_SHEET]
    found = title(f": {len(confident)} of its {len(mistaken):,} mistakes, those it is most certain of", "probability")
    plots.contact_sheet(f"{folder}/confidently_wrong.png", test.images[confident], captions(confident), found)
