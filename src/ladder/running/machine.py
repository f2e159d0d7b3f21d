"""What this machine can carry: how many stages at a time."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from dvc.utils.serialize import load_yaml


def gpus() -> list[str]:
    """The CUDA devices that may be used, by the names that CUDA_VISIBLE_DEVICES takes; none without NVIDIA's driver."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [device for device in allowed.split(",") if device not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True).stdout
    return re.findall(r"UUID: (GPU-[0-9a-f-]+)", listed)


def default_jobs(devices: list[str], params: Path = Path("params.yaml")) -> int:
    """One stage on each CUDA device; without any, the usable cores divided by the `hardware.threads` of params.yaml."""
    from joblib import cpu_count  # knows the quota of a container, too; slow to import

    if devices:
        return len(devices)
    hardware = load_yaml(params).get("hardware") if params.is_file() else None
    threads = hardware.get("threads") if isinstance(hardware, dict) else None
    return max(1, cpu_count() // (threads or 1))


def free_memory_gb() -> float:
    """What is free now, in 10^9 bytes."""
    return psutil.virtual_memory().available / 1e9
