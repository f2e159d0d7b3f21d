"""The table of the benchmark: every rung in PyTorch, the deployed ones in ONNX Runtime, timed and measured together."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ladder.deploy import latency, onnx_files
from ladder.deploy.latency import Variant
from ladder.params import Hardware
from ladder.scoring import metrics

RUNGS = ("train_resnet", "train_se", "train_effnet", "distill")
DEPLOYED = ("train_resnet", "distill")
PRECISIONS = ("float", "dynamic", "static")
BATCHES = (32, 256)


def variants(hardware: Hardware, device: str) -> list[Variant]:
    """Every rung in PyTorch, on the CPU and on the GPU if that is the device, and the deployed ones in ONNX Runtime.

    Raises: InputError where a deployed model is missing or damaged.
    """
    engines = ["PyTorch eager", *(["PyTorch compiled"] if hardware.compile else [])]
    places = ["cpu", *(["cuda"] if device == "cuda" else [])]
    trained = [
        Variant(rung, rung, engine, place, Path("models", rung))
        for rung in RUNGS
        for engine in engines
        for place in places
    ]
    deployed = [
        Variant(rung, f"{rung}_{precision}", "ONNX Runtime", "cpu", Path(f"deployed/{rung}_{precision}.onnx"))
        for rung in DEPLOYED
        for precision in PRECISIONS
    ]
    for variant in deployed:
        onnx_files.about(variant.path)  # or ONNX Runtime says it in its own words, once for each process
    return trained + deployed


def measure(
    chosen: Sequence[Variant], images: np.ndarray, queries: int, seconds: float, threads: Sequence[int]
) -> tuple[pd.DataFrame, int, float]:
    """Size, memory, loading time, latency and throughput of each variant.

    Args:
        images: uint8 (N, 3, H, W), to ask with.
        queries: timed at most, at batch 1, for each variant and number of threads.
        seconds: for them, with each number of threads, and as many again for each size of batch.
        threads: numbers of CPU threads to time with, the last one for throughput too.
    Returns: a row per variant (the columns of `benchmark.csv`), the least number of queries at batch 1 that there was
        time for, and the cores that other programs used meanwhile.
    """
    with ThreadPoolExecutor() as aside:
        measuring = aside.submit(latency.peak_memory, chosen, images.shape[-1])  # in processes of their own
        sizes = {rung: latency.size(Path("models", rung), images.shape[-1]) for rung in RUNGS}
        rows = [_about(variant, sizes[variant.rung], images) for variant in chosen]
    memory = measuring.result()
    with latency.watched() as machine:
        for row, variant in zip(rows, chosen, strict=True):
            print(f"benchmark: {variant.label}", flush=True)
            row |= {"load_ms": 1e3 * latency.load_seconds(variant)}
            row |= {"peak_memory_mb": memory[variant.label] / 1e6}
        timed = [_time(rows, chosen, images, queries, seconds, count, last=count == threads[-1]) for count in threads]
    return pd.DataFrame(rows), min(timed), machine.others


def conditions(images: np.ndarray, queries: int, threads: Sequence[int], others: float) -> pd.DataFrame:
    """`machine.csv`: what the figures depend on, in words, as columns `what` and `value`."""
    found = latency.machine() | {
        "threads": f"one, and all ({threads[-1]})",
        "queries": f"{queries} at batch 1 for each row, the rows taking turns",
        "images": f"{images.shape[-1]} px",
        "load by other programs": f"{others:.2f} cores",
    }
    return pd.DataFrame({"what": found.keys(), "value": found.values()})


def headlines(table: pd.DataFrame) -> dict[str, float]:
    """Median ms at batch 1 on one CPU thread by engine; for static int8, how many times its float ONNX twin's speed."""
    cpu = table[(table["device"] == "cpu") & (table["engine"] != "PyTorch compiled")]
    median = dict(zip(cpu["name"], cpu["p50_ms_1_thread"], strict=True))
    figures = {f"{rung}_pytorch_p50_ms": median[rung] for rung in RUNGS}
    for rung in DEPLOYED:
        figures[f"{rung}_onnx_int8_p50_ms"] = median[f"{rung}_static"]
        figures[f"{rung}_int8_speedup"] = median[f"{rung}_float"] / median[f"{rung}_static"]
    return figures


def _about(variant: Variant, size: tuple[int, int], images: np.ndarray) -> dict[str, Any]:
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


def _time(
    rows: list[dict],
    chosen: Sequence[Variant],
    images: np.ndarray,
    queries: int,
    seconds: float,
    threads: int,
    *,
    last: bool,
) -> int:
    """Add to each row its times at batch 1 with so many threads; with the last number of threads also throughput.

    Returns: how many queries at batch 1 there was time for.
    """
    ready = {variant.label: latency.load(variant, threads) for variant in chosen}
    print(f"benchmark: {len(chosen)} rows on {threads} thread(s), at most {seconds:.0f} s", flush=True)
    taken = latency.race(ready, images, 1, queries, threads, time.monotonic() + seconds)
    timed = min(map(len, taken.values()))
    for row, variant in zip(rows, chosen, strict=True):
        each = taken[variant.label]
        found = {"p50": latency.percentile(each, 50), "p90": latency.percentile(each, 90), "mean": each.mean()}
        named = "1_thread" if threads == 1 else "all_threads"
        row |= {f"{key}_ms_{named}": 1e3 * float(value) for key, value in found.items()}
    for batch in BATCHES if last else ():
        most = max(3, queries // batch)
        taken = latency.race(ready, images, batch, most, threads, time.monotonic() + seconds)
        for row, variant in zip(rows, chosen, strict=True):
            row[f"images_per_s_batch_{batch}"] = batch / latency.percentile(taken[variant.label], 50)
    return timed
