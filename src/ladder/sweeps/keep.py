"""The tables of a sweep as text and, to be kept in Git, as files with a picture."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ladder.core.artifacts import files
from ladder.drawing import plots
from ladder.reporting import markdown


def text(summary: pd.DataFrame, compared: pd.DataFrame, sources: Iterable[str], confidence: float) -> str:
    """Both tables in Markdown, and what they speak of. `sources`: of the images, as `data.source` names them."""
    return markdown.render(
        "sweep.md.j2",
        summary=summary.to_dict("records"),
        compared=compared.to_dict("records"),
        sources=list(sources),
        confidence=confidence,
    )


def write(
    folder: Path, runs: pd.DataFrame, summary: pd.DataFrame, compared: pd.DataFrame, confidence: float
) -> list[Path]:
    """Write `sweep.md`, `sweep.png` and the tables as CSV; returns the paths."""
    tables = {"runs": runs, "summary": summary, "comparisons": compared}
    paths = {name: folder / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        files.write_csv(paths[name], table)
    markdown.write(folder / "sweep.md", text(summary, compared, runs["source"].unique(), confidence))

    mean, low, high = (summary[column].fillna(summary["mean"]).to_numpy() for column in ("mean", "low", "high"))
    names = (summary["rung"] + " " + summary["setting"]).str.rstrip().tolist()
    lines = f"dots: means; lines: {100 * confidence:g}% intervals of the mean"
    plots.ladder(folder / "sweep.png", names, mean, low, high, f"Accuracy over {summary['seeds'].max()} seeds\n{lines}")
    return [folder / "sweep.md", folder / "sweep.png", *paths.values()]
