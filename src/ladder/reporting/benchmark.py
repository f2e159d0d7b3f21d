"""docs/benchmark.md and benchmark.html: what the stage `benchmark` measured, and under which conditions it holds."""

from pathlib import Path
from typing import Any

from ladder.core.errors import InputError
from ladder.reporting import markdown, page, tracked

TABLE, MACHINE = "plots/benchmark/benchmark.csv", "plots/benchmark/machine.csv"
PICTURE = "plots/benchmark/benchmark.png"
COLUMNS = (
    *("name", "engine", "device", "precision", "accuracy", "parameters", "macs", "file_mb", "load_ms"),
    *("peak_memory_mb", "p50_ms_1_thread", "p90_ms_1_thread", "mean_ms_1_thread"),
    *("images_per_s_batch_32", "images_per_s_batch_256"),
)
OTHERS = "load by other programs"
BUSY = 0.1  # cores that other programs may use before the figures come with a warning: as the stage's own


def text() -> str:
    """The page, from the CSV files of the tracked run. Raises InputError for one that is missing or damaged."""
    rows, conditions = table(), machine()
    return markdown.render(
        "benchmark.md.j2",
        rows=rows,
        several="p50_ms_all_threads" in rows[0],
        machine=conditions,
        busy=_cores(conditions[OTHERS]) > BUSY,
    )


def html() -> str:
    """The same as a page of its own, beside report.html. Raises InputError, too, for a picture that is missing."""
    return page.html(text(), Path("docs"))


def table() -> list[dict[str, Any]]:
    """What was measured, a row per variant."""
    return tracked.rows(TABLE, COLUMNS)


def machine() -> dict[str, str]:
    """Under which conditions the benchmark ran: what -> value, in words."""
    found = {row["what"]: str(row["value"]) for row in tracked.rows(MACHINE, ("what", "value"))}
    if missing := [what for what in ("processor", OTHERS) if what not in found]:
        raise InputError(f"{MACHINE} has no row {', '.join(missing)}: `dvc repro benchmark` makes it anew")
    return found


def _cores(load: str) -> float:
    try:
        return float(load.removesuffix(" cores"))
    except ValueError:
        raise InputError(
            f"{MACHINE}: {OTHERS} must be a number of cores, not {load!r}: `dvc repro benchmark` makes it anew"
        ) from None
