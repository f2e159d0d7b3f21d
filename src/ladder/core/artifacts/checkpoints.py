"""models/<rung>/: model.safetensors (weights, no metadata) and model.json (what rebuilds the architecture; digests)."""

from pathlib import Path

from safetensors.torch import load_file
from safetensors.torch import save as serialized

from ladder.core.artifacts import files, sealed
from ladder.core.types import Checkpoint

WEIGHTS, CONFIG = "model.safetensors", "model.json"


def save(folder: str | Path, checkpoint: Checkpoint) -> None:
    folder = Path(folder)
    weights = {name: tensor.cpu().contiguous() for name, tensor in checkpoint.weights.items()}
    files.write_bytes(folder / WEIGHTS, serialized(weights))
    sealed.write_json(folder / CONFIG, checkpoint.config, {WEIGHTS: sealed.sha256(folder / WEIGHTS)})


def load(folder: str | Path) -> Checkpoint:
    """Raises InputError where the folder is missing or damaged, or holds the weights of another checkpoint."""
    folder = Path(folder)
    with sealed.reading(folder, "checkpoint", f"`dvc repro {folder.name}` makes it"):
        config, digests = sealed.read_json(folder / CONFIG)
        sealed.check(folder / WEIGHTS, digests.get(WEIGHTS))
        return Checkpoint(config, load_file(folder / WEIGHTS))
