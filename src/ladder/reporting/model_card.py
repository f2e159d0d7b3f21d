"""The model card of release/: what the int8 student is, scores and costs, how it was made, and what it is a copy of.

The sentences stand in templates/model_card.md.j2; here is what they are filled with.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ladder.core.artifacts import predictions
from ladder.params import Params
from ladder.reporting import benchmark, markdown
from ladder.scoring import metrics

BENCHMARK = Path("metrics/benchmark.json")


def text(model: Path, about: Mapping[str, Any], recorded: str, p: Params) -> str:
    """The card of an ONNX file of the run in this folder.

    Args:
        model: the file.
        about: what stands beside it.
        recorded: the md5 of its folder in dvc.lock.
    Raises: InputError where metrics or predictions of the run are missing.
    """
    answers = predictions.load("predictions/deployed/distill_static.npz")
    return markdown.render(
        "model_card.md.j2",
        about=about,
        size_mb=model.stat().st_size / 1e6,
        sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        recorded=recorded,
        val_images=len(answers.val),
        test_images=len(answers.test),
        split_seed=p.data.split_seed,
        confidence=p.evaluate.confidence,
        scores=metrics.load("distill_static"),
        twin=metrics.load("distill_float"),
        latency=_latency() if BENCHMARK.exists() else None,
        student=p.rung("distill").recipe.model_dump(),
        distill=p.distill.model_dump(),
        calibration_images=p.quantize.calibration_images,
    )


def _latency() -> dict[str, Any]:
    """Of the last benchmark: `p50_ms` at batch 1 on one thread, `speedup` over the float twin, and where."""
    found = metrics.load("benchmark")
    return {
        "p50_ms": found["distill_onnx_int8_p50_ms"],
        "speedup": found["distill_int8_speedup"],
        "processor": benchmark.machine()["processor"],
    }
