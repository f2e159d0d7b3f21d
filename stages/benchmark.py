"""Time every architecture and engine: checkpoints, ONNX models and their metrics -> table, picture, headline figures.

The only stage whose outputs are not the same bytes each time: they are measurements of a machine.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ladder.core import runs
from ladder.core.artifacts import files, splits
from ladder.core.errors import exit_on_input_error
from ladder.deploy import latency
from ladder.deploy.latency import Variant
from ladder.drawing import benchmark_plots
from ladder.params import Hardware
from ladder.reporting import markdown
from ladder.scoring import metrics
from ladder.training import devices

RUNGS = ("train_resnet", "train_se", "train_effnet", "distill")
DEPLOYED = ("train_resnet", "distill")
PRECISIONS = ("float", "dynamic", "static")
BATCHES = (32, 256)
IMAGES = 512
FOLDER = Path("plots/benchmark")
NOTES = """\
The figures are measurements of one machine: a rerun gives others. Queries start with uint8 images in main memory and
end with logits there: normalizing and resizing are included, decoding a file is not. Memory is that of a process of its
own, with Python and the engine, that loads the file and classifies one image.
"""


def main() -> None:
    deployed = [f"{rung}_{precision}" for rung in DEPLOYED for precision in PRECISIONS]
    inputs = ["data/split", "models/quantize", *(f"models/{rung}" for rung in RUNGS)]
    inputs += [f"metrics/{name}.json" for name in (*RUNGS, *deployed)]
    outputs = ["metrics/benchmark.json", *(FOLDER / name for name in ("benchmark.csv", "benchmark.png", "table.md"))]
    with runs.stage("benchmark", lambda p: p.benchmarking(), inputs=inputs, outputs=outputs) as run:
        device = devices.select(run.params.hardware)
        split = splits.load("data/split")
        images = split.test.images[:IMAGES]
        threads = sorted({1, torch.get_num_threads()})
        chosen = variants(run.params.hardware, device.type)
        with ThreadPoolExecutor() as aside:
            measuring = aside.submit(latency.peak_memory, chosen, images.shape[-1])  # in processes of their own
            sizes = {rung: latency.size(Path("models", rung), images.shape[-1]) for rung in RUNGS}
            rows = [about(variant, sizes[variant.rung], images) for variant in chosen]
        memory = measuring.result()
        with latency.watched() as machine:
            for row, variant in zip(rows, chosen, strict=True):
                row |= {"load_ms": 1e3 * latency.load_seconds(variant)}
                row |= {"peak_memory_mb": memory[variant.label] / 1e6}
            for count in threads:
                time_queries(rows, chosen, images, run.params.queries, count, last=count == threads[-1])
        table = pd.DataFrame(rows)
        conditions = latency.machine() | {
            "threads": f"one, and all ({threads[-1]})",
            "queries": f"{run.params.queries} at batch 1 for each row, the rows taking turns",
            "images": f"{images.shape[-1]} px",
            "load by other programs": f"{machine.others:.2f} cores",
        }
        files.write_csv(FOLDER / "benchmark.csv", table)
        write_table(FOLDER / "table.md", table, conditions, machine.others > latency.BUSY)
        draw(FOLDER / "benchmark.png", table, conditions["processor"])
        metrics.save("benchmark", headlines(table))
    if machine.others > latency.BUSY:
        print(f"benchmark: other programs used {machine.others:.2f} cores meanwhile: run it again on an idle machine")


def variants(hardware: Hardware, device: str) -> list[Variant]:
    """Every rung in PyTorch, on the CPU and on the GPU if that is the device, and the deployed ones in ONNX Runtime."""
    engines = ["PyTorch eager", *(["PyTorch compiled"] if hardware.compile else [])]
    places = ["cpu", *(["cuda"] if device == "cuda" else [])]
    trained = [
        Variant(rung, rung, engine, place, Path("models", rung))
        for rung in RUNGS
        for engine in engines
        for place in places
    ]
    return trained + [
        Variant(rung, f"{rung}_{precision}", "ONNX Runtime", "cpu", Path(f"models/quantize/{rung}_{precision}.onnx"))
        for rung in DEPLOYED
        for precision in PRECISIONS
    ]


def about(variant: Variant, size: tuple[int, int], images) -> dict[str, Any]:
    """What a variant is, before anything is timed. `size`: its parameters and multiply-accumulates."""
    score = metrics.load(variant.name)
    parameters, macs = size
    return {
        "name": variant.name,
        "engine": variant.engine,
        "device": variant.device,
        "precision": latency.precision(variant, images[:16]),
        **{key: score[key] for key in ("accuracy", "accuracy_low", "accuracy_high")},
        "parameters": parameters,
        "macs": macs,
        "input_size": images.shape[-1],
        "file_mb": variant.file_bytes / 1e6,
    }


def time_queries(rows: list[dict], chosen: list[Variant], images, queries: int, threads: int, *, last: bool) -> None:
    """Add to each row its times at batch 1 with so many threads; with the last number of threads also throughput."""
    ready = {variant.label: latency.load(variant, threads) for variant in chosen}
    taken = latency.race(ready, images, 1, queries, threads)
    for row, variant in zip(rows, chosen, strict=True):
        seconds = taken[variant.label]
        found = {"p50": latency.percentile(seconds, 50), "p90": latency.percentile(seconds, 90), "mean": seconds.mean()}
        named = "1_thread" if threads == 1 else "all_threads"
        row |= {f"{key}_ms_{named}": 1e3 * float(value) for key, value in found.items()}
    for batch in BATCHES if last else ():
        taken = latency.race(ready, images, batch, max(3, queries // batch), threads)
        for row, variant in zip(rows, chosen, strict=True):
            row[f"images_per_s_batch_{batch}"] = batch / latency.percentile(taken[variant.label], 50)


def headlines(table: pd.DataFrame) -> dict[str, float]:
    """Median ms at batch 1 on one CPU thread by engine; for static int8, how many times its float ONNX twin's speed."""
    cpu = table[(table["device"] == "cpu") & (table["engine"] != "PyTorch compiled")]
    median = dict(zip(cpu["name"], cpu["p50_ms_1_thread"], strict=True))
    figures = {f"{rung}_pytorch_p50_ms": median[rung] for rung in RUNGS}
    for rung in DEPLOYED:
        figures[f"{rung}_onnx_int8_p50_ms"] = median[f"{rung}_static"]
        figures[f"{rung}_int8_speedup"] = median[f"{rung}_float"] / median[f"{rung}_static"]
    return figures


def draw(path: Path, table: pd.DataFrame, processor: str) -> None:
    shown = table.assign(latency_ms=table["p50_ms_1_thread"], runs=table["engine"] + ", " + table["device"])
    title = f"Accuracy against latency\narea: file size; lines: intervals of accuracy; {processor}"
    benchmark_plots.accuracy_against_latency(path, shown, title)


def write_table(path: Path, table: pd.DataFrame, conditions: dict[str, str], busy: bool) -> None:
    """The table for people, and under which conditions it holds."""
    several = "p50_ms_all_threads" in table
    columns = {
        "model": table["name"],
        "runs in": table["engine"] + ", " + table["device"],
        "arithmetic": table["precision"],
        "accuracy": table["accuracy"].map("{:.2%}".format),
        "parameters (M)": (table["parameters"] / 1e6).map("{:.2f}".format),
        "MACs (M)": (table["macs"] / 1e6).map("{:.1f}".format),
        "file (MB)": table["file_mb"].map("{:.2f}".format),
        "load (ms)": table["load_ms"].map("{:.0f}".format),
        "memory (MB)": table["peak_memory_mb"].map("{:.0f}".format),
        "1 thread, p50 / p90 / mean (ms)": _times(table, "1_thread"),
        **({"all threads, p50 / p90 / mean (ms)": _times(table, "all_threads")} if several else {}),
        **{f"images/s at {batch}": table[f"images_per_s_batch_{batch}"].map("{:,.0f}".format) for batch in BATCHES},
    }
    rows = list(zip(*columns.values(), strict=True))
    text = f"# Benchmark\n\n{markdown.table(list(columns), rows)}\n\n{NOTES}\n"
    if busy:
        text += "**Other programs were using the processor: the figures are worse than the machine's best.**\n\n"
    text += "".join(f"- {what}: {value}\n" for what, value in conditions.items())
    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _times(table: pd.DataFrame, threads: str) -> pd.Series:
    parts = [table[f"{key}_ms_{threads}"].map("{:.2f}".format) for key in ("p50", "p90", "mean")]
    return parts[0] + " / " + parts[1] + " / " + parts[2]


if __name__ == "__main__":
    exit_on_input_error(main)
