"""models/<rung>/: model.safetensors (weights, no metadata) and model.json (what rebuilds the architecture)."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ladder.core.artifacts import files
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint


def save(folder: str | Path, checkpoint: Checkpoint) -> None:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with files.atomic(folder / "model.safetensors") as temporary:
        save_file({name: tensor.cpu().contiguous() for name, tensor in checkpoint.weights.items()}, temporary)
    files.write_json(folder / "model.json", checkpoint.config)


def load(folder: str | Path) -> Checkpoint:
    """Raises InputError where the folder is missing or damaged."""
    folder = Path(folder)
    try:
        config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return Checkpoint(config, load_file(folder / "model.safetensors"))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder} holds no checkpoint ({error}): `dvc repro {folder.name}` makes it") from None
