"""Which device to compute on and how: the precision that `make tune` found fastest, by architecture and machine kind.

The table is committed, so that nothing that shapes a result is decided by a clock.
"""

import ctypes
import platform
import re
import shutil

import pandas as pd
import torch

from ladder.core import architectures
from ladder.core.errors import InputError
from ladder.params import Hardware

# (architecture, machine kind) -> the autocast dtype that trains fastest (float32: none). What is not listed trains
# in float32 on a CPU, bfloat16 on a GPU. Depthwise convolutions (EfficientNet, MobileNet) lose in bfloat16 on a CPU.
FASTEST = {
    ("resnet18", "cpu_bf16"): torch.bfloat16,
}
DEFAULT = {"cpu": torch.float32, "cpu_bf16": torch.float32, "cuda": torch.bfloat16}

VECTORS = ("avx", "amx", "f16c", "fma", "neon", "asimd", "sve", "i8mm", "bf16")  # how names of extensions begin

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def select(hardware: Hardware) -> torch.device:
    """The device to use, made deterministic. Raises InputError where the one asked for is missing.

    On a CPU, memory that is freed stays with the process from here on.
    """
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"hardware.device is cuda, but torch {torch.__version__} sees no GPU here: set it to auto or cpu"
        )
    if hardware.compile and not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        raise InputError(
            "hardware.compile is true, but there is no C++ compiler (c++, g++, clang++): install one or set it to false"
        )
    name = hardware.device if hardware.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        _keep_freed_memory()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device(name)


def kind(device: torch.device) -> str:
    """The kind of machine, as far as it decides bytes and speed: `cuda`, `cpu_bf16` (AVX512-BF16) or `cpu`."""
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return "cpu_bf16"
    return device.type


def precision(arch: str, hardware: Hardware, device: torch.device) -> torch.dtype:
    """The autocast dtype to train `arch` with here, float32 for none: what params ask for, else the table."""
    if hardware.precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[hardware.precision]
    machine = kind(device)
    return FASTEST.get((architectures.bare(arch), machine), DEFAULT[machine])  # whatever weights a tag names


def environment(device: torch.device) -> dict[str, str | int]:
    """What of this machine a result's bytes depend on."""
    return {
        "torch": torch.__version__,
        "kind": kind(device),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def machine(device: torch.device) -> pd.DataFrame:
    """`plots/<rung>/machine.csv`: what tells why two machines give other bytes, as columns `what` and `value`.

    The same on each run on one machine: nothing that a clock or other programs decide stands in it.
    """
    found = torch.cpu.get_capabilities()
    vectors = sorted(name for name, there in found.items() if there is True and name.startswith(VECTORS))
    onednn = re.search(r"(?:MKL-DNN|oneDNN) v(\S+)", torch.__config__.show())
    on_gpu = device.type == "cuda"
    rows = {
        "processor": found.get("cpu_name") or platform.processor() or platform.machine(),
        "vector extensions": " ".join(vectors) or "not known",
        "PyTorch's kernels": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "GPU": torch.cuda.get_device_name(device) if on_gpu else "not used",
        "torch": torch.__version__,
        "oneDNN": onednn[1] if onednn else "none",
        "cuDNN": torch.backends.cudnn.version() if on_gpu else "not used",
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return pd.DataFrame({"what": rows.keys(), "value": map(str, rows.values())})


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of one training step for the next, instead of handing it back to the system.

    Otherwise every large tensor is mapped and cleared anew, page by page, which can cost a third of a step's time.
    Other C libraries have no mallopt, and are left as they are.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
