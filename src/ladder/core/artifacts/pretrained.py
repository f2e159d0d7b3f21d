"""data/weights/<rung>/: what a rung starts from. Empty from scratch, else model.safetensors and weights.json."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch

from ladder.core.artifacts import files
from ladder.core.errors import InputError
from ladder.core.types import Pretrained

TENSORS, ABOUT = "model.safetensors", "weights.json"


def save(folder: str | Path, pretrained: Pretrained | None) -> None:
    """Write them in the place of what was there; None: an empty folder. Equal weights give equal bytes."""
    folder = Path(folder)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if pretrained is None:
        return
    with files.atomic(folder / TENSORS) as temporary:
        safetensors.torch.save_file(
            {name: tensor.contiguous() for name, tensor in pretrained.weights.items()}, temporary
        )
    about = {name: getattr(pretrained, name) for name in ("arch", "origin", "sha256", "mean", "std")}
    files.write_json(folder / ABOUT, about | {TENSORS: _sha256((folder / TENSORS).read_bytes())})


def load(folder: str | Path) -> Pretrained:
    """What `save` wrote. Raises InputError where it is missing or damaged."""
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        data = (folder / TENSORS).read_bytes()
        if _sha256(data) != about.pop(TENSORS):
            raise ValueError(f"{TENSORS} is not what was written")
        lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("mean", "std")}
        return Pretrained(**about, **lists, weights=safetensors.torch.load(data))
    except Exception as error:  # whatever a damaged file raises, it means the same
        raise InputError(
            f"{folder} holds no ImageNet weights ({type(error).__name__}: {error}): `dvc repro --force"
            f" weights@{folder.name}` makes it again"
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
