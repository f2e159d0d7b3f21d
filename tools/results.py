"""Write the figures of the tracked run, and what the presets say of themselves, into README.md: `make results`.

Everything between a section's two markers comes from files that Git tracks, so that a test can hold one against the
other on any clone.
"""

import io
import re
from pathlib import Path

import pandas as pd

from ladder import params
from ladder.core.artifacts import files
from ladder.core.errors import InputError, exit_on_input_error
from ladder.params import Params
from ladder.reporting import markdown, report
from ladder.scoring import metrics

README = Path("README.md")
DEPLOYED = ("train_resnet", "distill")
SHOWN = [name for name in report.LADDER if not name.endswith(("_float", "_dynamic"))]


def main() -> None:
    text = updated(README.read_text(encoding="utf-8"))
    with files.atomic(README) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    print(f"results: {README} holds the figures of metrics/ and the heads of presets/")


def updated(readme: str) -> str:
    """The README with both sections as they should be. Raises InputError where a result or a section is missing."""
    p = params.read()
    sections = {"results": "\n\n".join([ladder(p), steps(p), engines(), uncertainty(p)]), "presets": presets()}
    for name, content in sections.items():
        section = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", flags=re.DOTALL)
        if len(section.findall(readme)) != 1:
            raise InputError(f"{README} must have one section between <!-- {name} --> and <!-- /{name} -->")
        readme = section.sub(lambda _, content=content: f"{content}\n", readme)
    return readme


def ladder(p: Params) -> str:
    confidence = f"{100 * p.evaluate.confidence:g}%"
    rows = []
    for name in SHOWN:
        scores = metrics.load(name)
        interval = f"{markdown.percent(scores['accuracy_low'])} to {markdown.percent(scores['accuracy_high'])}"
        reference = report.REFERENCE.get(name)
        rows.append(
            (
                f"`{name}`",
                markdown.percent(scores["accuracy"]),
                interval,
                f"{getattr(p, params.RECIPES[name]).epochs}" if name in params.RECIPES else "",
                markdown.percent(reference) if reference else "",
            )
        )
    header = ("rung", "test accuracy (%)", f"{confidence} interval", "epochs", "reference (%)")
    return f"{_sentence(p)}\n\n{markdown.table(header, rows)}"


def _sentence(p: Params) -> str:
    weights = "ImageNet weights" if p.model.pretrained else "random initial weights"
    sizes = sorted({f"{getattr(p, group).input_size} px" for group in params.RECIPES.values()})
    return (
        f"Images: {report.SOURCES[p.data.source]}. Networks: {weights}, {' and '.join(sizes)}. One run, seed {p.seed}."
        f" The reference's figures: official pixels, ImageNet weights, {report.REFERENCE_SIZE} px, one run."
    )


def steps(p: Params) -> str:
    rows = [
        (
            f"`{row['first']}` against `{row['second']}`",
            markdown.points(row["difference"]),
            f"{markdown.points(row['low'])} to {markdown.points(row['high'])}",
            markdown.p_value(row["adjusted_p"]),
            row["verdict"],
        )
        for row in _csv("plots/report/comparisons.csv").to_dict("records")
    ]
    header = ("compared on the same test images", "points", f"{100 * p.report.confidence:g}% interval", "p (Holm)", "")
    return markdown.table(header, rows)


def engines() -> str:
    measured = _csv("plots/benchmark/benchmark.csv").set_index("name")
    rows = [
        (
            f"`{name}`",
            str(row["precision"]),
            f"{100 * row['accuracy']:.2f}",
            f"{row['file_mb']:.2f}",
            f"{row['p50_ms_1_thread']:.2f} / {row['p90_ms_1_thread']:.2f}",
            f"{row['images_per_s_batch_256']:,.0f}",
        )
        for name, row in measured.loc[[f"{rung}_{kind}" for rung in DEPLOYED for kind in report.ONNX]].iterrows()
    ]
    header = ("ONNX file", "arithmetic", "accuracy (%)", "MB", "ms per image, p50 / p90", "images/s at batch 256")
    return f"{markdown.table(header, rows)}\n\n{_conditions()}"


def _conditions() -> str:
    """Where the benchmark ran, from its own table."""
    text = _read("plots/benchmark/table.md")
    said = dict(line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("- "))
    return (
        f"ONNX Runtime on {said['processor']}; one image at a time on one thread, batches on all of them."
        " PyTorch, memory, loading and more: `plots/benchmark/table.md`."
    )


def uncertainty(p: Params) -> str:
    measured = metrics.load("uncertainty")
    rows = []
    for name, part in (("distill", "distill"), (p.distill.teacher, "teacher")):
        single = metrics.load(name)
        rows += [
            (f"`{name}`", "one pass", f"{single['nll']:.4f}", f"{single['ece']:.4f}",
             f"{measured[f'{part}_single_auroc']:.4f}"),
            (f"`{name}`", f"mean of {p.uncertainty.passes} with dropout", f"{measured[f'{part}_mc_nll']:.4f}",
             f"{measured[f'{part}_mc_ece']:.4f}", f"{measured[f'{part}_mc_auroc']:.4f}"),
        ]  # fmt: skip
    header = ("model", "Monte Carlo dropout", "NLL (nats)", "ECE", "AUROC of finding its own mistakes")
    return markdown.table(header, rows)


def presets() -> str:
    """What each preset says in its head: purpose, budget and measured time."""
    rows = []
    for path in sorted(Path("presets").glob("*.yaml")):
        head = dict(line[2:].split(":", 1) for line in _read(str(path)).splitlines()[:4])
        rows.append((f"`{path.stem}`", *(head[key].strip() for key in ("What for", "Budget", "Measured"))))
    return markdown.table(("preset", "what for", "budget", "measured"), rows)


def _csv(path: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(_read(path)))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): `dvc repro` makes it") from None


if __name__ == "__main__":
    exit_on_input_error(main)
