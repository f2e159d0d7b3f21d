"""README's sections on results, seeds and presets, from what Git tracks, so that a test can hold one against the other.

The sentences stand in templates/results.md.j2 and templates/presets.md.j2; here is what they are filled with.
"""

import re
from pathlib import Path
from typing import Any

from ladder import params
from ladder.core.errors import InputError
from ladder.params import Params
from ladder.reporting import benchmark, markdown, report, seeds, tracked
from ladder.scoring import metrics

NOT_SHOWN = ("_float", "_dynamic")  # figures of ONNX files that the second table of engines has
COMPARED = ("first", "second", "difference", "low", "high", "adjusted_p", "verdict")
HEAD = {"purpose": "What for", "budget": "Budget", "measured": "Measured"}


def updated(readme: str) -> str:
    """The README with these sections as they should be.

    Raises: InputError where a result, a line of a preset's head or a section's two markers are missing.
    """
    p = params.read()
    sections = {"results": results(p), "seeds": seeds.text(p.data.source), "presets": presets()}
    for name, content in sections.items():
        parts = re.split(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", readme, flags=re.DOTALL)
        if len(parts) != 2:
            raise InputError(f"README.md must have one section between <!-- {name} --> and <!-- /{name} -->")
        readme = content.join(parts)
    return readme


def results(p: Params) -> str:
    recipes = tracked.recipes({name: rung.recipe for name, rung in p.ladder.rungs.items()})
    return markdown.render(
        "results.md.j2",
        source=p.data.source,
        weights=sorted({recipe["weights"] for recipe in recipes.values()}),
        input_sizes=sorted({recipe["input_size"] for recipe in recipes.values()}),
        seed=p.seed,
        reference_size=report.REFERENCE_SIZE,
        scores_confidence=p.evaluate.confidence,
        rungs=[_rung(name, recipes.get(name)) for name in p.ladder.ladder if not name.endswith(NOT_SHOWN)],
        steps_confidence=p.report.confidence,
        compared=tracked.rows("plots/report/comparisons.csv", COMPARED),
        engines=[row for row in benchmark.table() if row["engine"] == "ONNX Runtime"],
        processor=benchmark.machine()["processor"],
        passes=p.uncertainty.passes,
        dropout=[_dropout("distill", "distill"), _dropout("teacher", p.uncertainty.teacher)],
    )


def presets() -> str:
    """What each preset says in its head: purpose, budget and measured time."""
    return markdown.render("presets.md.j2", presets=[_head(path) for path in sorted(Path("presets").glob("*.yaml"))])


def _rung(name: str, recipe: dict[str, Any] | None) -> dict[str, Any]:
    """What the table says of one model; `recipe` is None for one that is made of trained ones."""
    return {
        "name": name,
        "scores": metrics.load(name),
        "recipe": recipe,
        "reference": report.REFERENCE.get(name),
    }


def _dropout(role: str, name: str) -> dict[str, Any]:
    """A model's calibration in one pass and with dropout. An AUROC is None where it does not exist."""
    once, measured = metrics.load(name), metrics.load("uncertainty")
    return {
        "name": name,
        "single": {"nll": once["nll"], "ece": once["ece"], "auroc": measured.get(f"{role}_single_auroc")},
        "mean": {key: measured.get(f"{role}_mc_{key}") for key in ("nll", "ece", "auroc")},
    }


def _head(path: Path) -> dict[str, str]:
    text, found = tracked.text(path), {"name": path.stem}
    for key, words in HEAD.items():
        line = re.search(rf"^# {words}:[ ]*(\S.*)$", text, flags=re.MULTILINE)
        if line is None:
            raise InputError(f"{path} has no line `# {words}: ...` in its head, which README's table of presets shows")
        found[key] = line[1].strip()
    return found
