"""data/weights/<rung>/: what a rung starts from. Empty from scratch, else model.safetensors and weights.json.

torch takes seconds to import: only where there are weights.
"""

import shutil
from pathlib import Path
from typing import Any

from ladder.core.artifacts import files, sealed
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
    from safetensors.torch import save as serialized

    weights = {name: tensor.contiguous() for name, tensor in pretrained.weights.items()}
    files.write_bytes(folder / TENSORS, serialized(weights))
    about = {name: getattr(pretrained, name) for name in ("arch", "origin", "sha256", "mean", "std")}
    sealed.write_json(folder / ABOUT, about, {TENSORS: sealed.sha256(folder / TENSORS)})


def load(folder: str | Path) -> Pretrained:
    """What `save` wrote. Raises InputError where it is missing or damaged."""
    from safetensors.torch import load_file

    folder = Path(folder)
    with sealed.reading(folder, "ImageNet weights", f"`dvc repro weights@{folder.name}` makes it"):
        about, digests = sealed.read_json(folder / ABOUT)
        sealed.check(folder / TENSORS, digests.get(TENSORS))
        lists: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("mean", "std")}
        return Pretrained(**about, **lists, weights=load_file(folder / TENSORS))
