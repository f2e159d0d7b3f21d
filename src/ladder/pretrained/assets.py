"""Weights that lie in the repository: `assets/weights/<arch>.safetensors`. Users put theirs there."""

from pathlib import Path

from torch import Tensor

from ladder.core.errors import InputError
from ladder.pretrained import tensors

FOLDER = Path("assets/weights")
OTHER_FORMATS = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".npz", ".h5", ".onnx")


def find(arch: str) -> tuple[str, Path, dict[str, Tensor]] | None:
    """Raises InputError for a file that cannot be read, or one of another format in its place."""
    path = FOLDER / f"{arch}.safetensors"
    if path.exists():
        return str(path), path, tensors.read(path)
    for other in (FOLDER / f"{arch}{suffix}" for suffix in OTHER_FORMATS):
        if other.exists():
            raise InputError(f"{other} is no safetensors file: {tensors.CONVERT}, as {path}, or move it away")
    return None
