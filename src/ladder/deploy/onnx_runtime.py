"""ONNX Runtime on the CPU. Import it from here only: it is told to send no telemetry before its library is loaded.

Since 1.29 the official Linux builds upload usage events and keep an identifier in the home folder, unless this variable
is set before the import; the call `disable_telemetry_events` comes too late for the first event.
"""

import os
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

from ladder.core.threads import limited

ERRORS_ONLY = 3
ALL_CORES = 0
IMAGES_PER_BATCH = 250


def session(model: str | Path | bytes, threads: int | None = None, ran: str | Path | None = None):
    """An inference session on the CPU, with the same sums of int8 products on each kind of it.

    An x86 CPU without 8-bit dot products (VNNI) adds two products in 16 bits, where they saturate, unless ONNX Runtime
    is told to be exact; then it takes longer. Other CPUs are not affected.

    Args:
        model: a file or its bytes.
        threads: that one operator may use; None: those of the stage, outside of one all cores.
        ran: where to write the graph that really runs, after ONNX Runtime's optimizations.
    """
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads = threads or limited() or ALL_CORES
    if ran is not None:
        options.optimized_model_filepath = str(ran)
    source = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def predict(model: str | Path | bytes, images: np.ndarray) -> np.ndarray:
    """Logits float32 (N, C) of a classifier for images uint8 (N, 3, H, W)."""
    runs = session(model)
    batches = range(0, len(images), IMAGES_PER_BATCH)
    return np.concatenate([runs.run(["logits"], {"images": images[i : i + IMAGES_PER_BATCH]})[0] for i in batches])
