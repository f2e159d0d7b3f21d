"""How fast trained and deployed classifiers answer, what they weigh, and on which machine that was found.

Queries start with uint8 images (B, 3, H, W) in host memory and end with logits there: normalizing, resizing and copying
to a GPU and back are included. Variants take turns, so that whatever else the machine does meets all of them alike, and
each turn starts with an untimed query. The clock is that of torch.utils.benchmark, which waits for the GPU.

Latency at batch 1 is MLPerf's single-stream scenario, throughput its offline one (Reddi et al. 2020, arXiv:1911.02549):
with thousands of queries the 90th percentile can be claimed, the 99th cannot.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

Classify = Callable[[np.ndarray], np.ndarray]  # images uint8 (B, 3, H, W) -> logits float32 (B, C)

WARM_UPS = 5  # images that each variant answers before its first turn
TURN = 10  # queries timed before the next variant's turn
LOADS = 3
INTEGER = ("QLinear", "Integer", "DynamicQuantize", "QGemm")  # what marks the names of int8 kernels
WEIGHTED = ("Conv", "Gemm", "MatMul")
BUSY = 0.1  # cores that other programs may use before the figures come with a warning


@dataclass(frozen=True)
class Variant:
    """One way to run one trained rung. `name`: of its metrics file; `path`: a checkpoint's folder or an ONNX file."""

    rung: str
    name: str
    engine: str  # PyTorch eager | PyTorch compiled | ONNX Runtime
    device: str  # cpu | cuda
    path: Path

    @property
    def label(self) -> str:
        return f"{self.name}, {self.engine}, {self.device}"

    @property
    def file_bytes(self) -> int:
        return (self.path if self.path.is_file() else self.path / "model.safetensors").stat().st_size


def load(variant: Variant, threads: int) -> Classify:
    """Read the variant's file and make it ready to answer with `threads` CPU threads."""
    if variant.engine == "ONNX Runtime":
        from ladder.deploy import onnx_runtime

        session = onnx_runtime.session(variant.path, threads)
        return lambda images: session.run(["logits"], {"images": images})[0]

    import torch

    from ladder.core.artifacts import checkpoints
    from ladder.training import models

    torch.set_num_threads(threads)
    model = models.restore(checkpoints.load(variant.path)).to(variant.device)
    if variant.engine == "PyTorch compiled":
        model = torch.compile(model, dynamic=False)  # type: ignore[assignment]

    @torch.inference_mode()
    def classify(images: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(images).to(variant.device)).cpu().numpy()

    return classify


def race(
    variants: Mapping[str, Classify],
    images: np.ndarray,
    batch_size: int,
    queries: int,
    threads: int,
    until: float = inf,
) -> dict[str, np.ndarray]:
    """Seconds of each of at most `queries` timed queries per variant, float64 (Q,), the variants taking turns.

    Args:
        images: uint8 (N, 3, H, W); query i takes the next `batch_size` of them, round and round.
        until: of `time.monotonic`; no round of turns begins later, but for the first. All variants get as many queries.
        threads: that PyTorch may use on the CPU; ONNX Runtime's were fixed when it loaded.
    """
    import torch
    from torch.utils.benchmark import timer

    torch.set_num_threads(threads)
    numbers = np.arange(batch_size)
    batches = [images[(start + numbers) % len(images)] for start in range(0, len(images), batch_size)]
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for classify in variants.values():
        for query in range(min(-(-WARM_UPS // batch_size), queries)):
            if not query or time.monotonic() < until:
                classify(batches[query % len(batches)])
    label = f"batch {batch_size}, {threads} thread{'s' * (threads > 1)}"
    rounds = tqdm(range(0, queries, TURN), desc=label, unit=" rounds", disable=None)  # None: only on a terminal
    for first in rounds:
        if first and time.monotonic() > until:
            rounds.close()
            break
        for name, classify in variants.items():
            classify(batches[first % len(batches)])
            for query in range(first, min(first + TURN, queries)):
                batch = batches[query % len(batches)]
                start = timer()
                classify(batch)
                seconds[name].append(timer() - start)
    return {name: np.array(taken) for name, taken in seconds.items()}


def percentile(values: np.ndarray, percent: float) -> float:
    """The least of `values` that at least `percent` % of them do not exceed: a value that was measured."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def size(path: Path, image_size: int) -> tuple[int, int]:
    """Parameters of the checkpoint in `path`, and multiply-accumulates for one image, by torch's flop counter."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ladder.core.artifacts import checkpoints
    from ladder.training import models

    model = models.restore(checkpoints.load(path))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8))
    return models.parameter_count(model), counter.get_total_flops() // 2


def load_seconds(variant: Variant) -> float:
    """Time from the file to a classifier that is ready, the least of three: the file is then in the system's cache."""
    taken = []
    for _ in range(LOADS):
        start = time.perf_counter()
        load(variant, 1)
        taken.append(time.perf_counter() - start)
    return min(taken)


def peak_memory(variants: Sequence[Variant], image_size: int) -> dict[str, int]:
    """Label -> most bytes of main memory that a process of its own, which loads it and classifies one image, held.

    As many processes at a time as there are cores: together they hold gigabytes, and memory does not depend on time.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(partial(_in_its_own_process, image_size=image_size), variants))
    failed = [variant.label for variant, answer in zip(variants, answers, strict=True) if answer is None]
    if failed:
        raise RuntimeError(f"measuring the memory of {', '.join(failed)} failed: see the messages above")
    return {variant.label: int(answer) for variant, answer in zip(variants, answers, strict=True) if answer}


def _in_its_own_process(variant: Variant, image_size: int) -> str | None:
    """What `_main` prints; None if it fails."""
    fields = (variant.rung, variant.name, variant.engine, variant.device, variant.path, image_size)
    done = subprocess.run(
        [sys.executable, "-m", "ladder.deploy.latency", *map(str, fields)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    return done.stdout if done.returncode == 0 else None


def precision(variant: Variant, images: np.ndarray) -> str:
    """What arithmetic really runs, from the optimized graph (ONNX Runtime) or the error against float64 (PyTorch).

    A float32 computation is right to some 1e-6 of the largest logit; bfloat16 and TF32 kernels, which some engines use
    in its stead, to some 1e-3.
    """
    if variant.engine == "ONNX Runtime":
        integer, weighted = integer_layers(variant.path)
        return f"int8 in {integer} of {weighted} layers" if integer else "float32"
    import torch

    from ladder.core.artifacts import checkpoints
    from ladder.training import models

    with torch.inference_mode():
        model = models.restore(checkpoints.load(variant.path))
        exact = model.net.double()(model.prepare(torch.from_numpy(images)).double()).numpy()
    error = float(np.abs(load(variant, 1)(images) - exact).max() / np.abs(exact).max())
    return "float32" if error < 1e-4 else f"reduced (logits off by {error:.0e})"


def integer_layers(path: Path) -> tuple[int, int]:
    """How many layers with weights run in int8, of how many, in the graph that ONNX Runtime really runs."""
    import onnx

    from ladder.deploy import onnx_runtime

    with TemporaryDirectory() as folder:
        ran = Path(folder, "ran.onnx")
        onnx_runtime.session(path, 1, ran)
        operators = [node.op_type for node in onnx.load(ran).graph.node]
    layers = [name for name in operators if any(kind in name for kind in WEIGHTED)]
    return sum(any(kind in name for kind in INTEGER) for name in layers), len(layers)


@dataclass
class Load:
    """Cores that programs other than this one kept busy, on average, while a block ran."""

    others: float = field(default=0.0)


@contextmanager
def watched() -> Iterator[Load]:
    """Measure the load of the machine while the block runs; its result stands when the block has ended."""
    import psutil  # type: ignore[import-untyped]

    def now() -> tuple[float, float, float]:
        machine, own = psutil.cpu_times(), os.times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        busy = sum(machine[:8]) - idle  # guest times, which come after, are in user time already
        return busy, own.user + own.system, time.monotonic()

    result, before = Load(), now()
    yield result
    busy, own, seconds = (after - earlier for after, earlier in zip(now(), before, strict=True))
    result.others = max(0.0, (busy - own) / seconds) if seconds else 0.0


def machine() -> dict[str, str]:
    """What the figures depend on, in words: processor, its vector instructions, memory, GPU, library versions."""
    import cpuinfo
    import psutil
    import torch

    info = cpuinfo.get_cpu_info()
    vector = [flag for flag in info.get("flags", []) if flag.startswith(("avx", "amx", "sse4", "asimd", "sve", "i8mm"))]
    names = ("torch", "onnxruntime", "timm", "numpy")
    return {
        "processor": f"{info.get('brand_raw', platform.machine())}, {psutil.cpu_count()} logical cores",
        "instruction sets": " ".join(vector) or "not known",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in names),
    }


def _main(rung: str, name: str, engine: str, device: str, path: str, image_size: str) -> None:
    """Load a variant, classify one image, print the most main memory held, in bytes (see `peak_memory`)."""
    load(Variant(rung, name, engine, device, Path(path)), 1)(
        np.zeros((1, 3, int(image_size), int(image_size)), np.uint8)
    )
    print(_peak_bytes())


def _peak_bytes() -> int:
    """Most main memory that this process has held. (Linux's ru_maxrss would count the process that started it, too.)"""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes


if __name__ == "__main__":
    _main(*sys.argv[1:])
