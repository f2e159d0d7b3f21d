"""Which device to compute on and how: the numerics that `make tune` measured fastest, by architecture and machine kind.

The table is committed, so that nothing that shapes a result is decided by a clock.
"""

import shutil
from dataclasses import dataclass

import torch

from ladder.errors import InputError
from ladder.params import Hardware


@dataclass(frozen=True)
class Numerics:
    """How a network is trained: autocast dtype (float32: no autocast) and memory layout."""

    dtype: torch.dtype
    channels_last: bool


FLOAT32 = Numerics(torch.float32, channels_last=False)
BFLOAT16 = Numerics(torch.bfloat16, channels_last=True)

# (architecture, machine kind) -> the fastest found; what is not listed trains in float32 on a CPU, bfloat16 on a GPU.
# Depthwise convolutions (EfficientNet, MobileNet) lose in bfloat16 on a CPU.
FASTEST = {
    ("resnet18", "cpu_bf16"): BFLOAT16,
}
DEFAULT = {"cpu": FLOAT32, "cpu_bf16": FLOAT32, "cuda": BFLOAT16}


def select(hardware: Hardware) -> torch.device:
    """The device to use, made deterministic. Raises InputError where the one asked for is missing."""
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"hardware.device is cuda, but torch {torch.__version__} sees no GPU here: set it to auto or cpu"
        )
    if hardware.compile and not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        raise InputError(
            "hardware.compile is true, but there is no C++ compiler (c++, g++, clang++): install one or set it to false"
        )
    name = hardware.device if hardware.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device(name)


def kind(device: torch.device) -> str:
    """The kind of machine, as far as it decides bytes and speed: `cuda`, `cpu_bf16` (AVX512-BF16) or `cpu`."""
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return "cpu_bf16"
    return device.type


def numerics(arch: str, hardware: Hardware, device: torch.device) -> Numerics:
    """How to train `arch` here: what params ask for, else the table."""
    machine = kind(device)
    if hardware.precision == "float32":
        return FLOAT32
    if hardware.precision == "bfloat16":
        return BFLOAT16
    return FASTEST.get((arch, machine), DEFAULT[machine])


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
