"""`<name>.onnx` and `<name>.json` beside it: a deployed classifier and what its answers mean. No torch, no onnx."""

from pathlib import Path
from typing import Any

from ladder.core.artifacts import files, sealed

MODEL = "model"  # whatever the file's name: both may be copied to another


def save(path: str | Path, model: bytes, about: dict[str, Any]) -> None:
    """Write `path` (.onnx) and its JSON: `classes`, `image_size` (side of the images it takes, pixels), `arch`, ..."""
    files.write_bytes(path, model)
    sealed.write_json(Path(path).with_suffix(".json"), about, {MODEL: sealed.sha256(path)})


def about(path: str | Path) -> dict[str, Any]:
    """What stands beside the model `path`. Raises InputError where either file is missing or damaged."""
    makes = (
        "`git checkout release` brings it back"
        if Path(path).parent.name == "release"
        else "`dvc repro quantize` makes it"
    )
    with sealed.reading(path, "deployed model", makes):
        found, digests = sealed.read_json(Path(path).with_suffix(".json"))
        sealed.check(path, digests.get(MODEL))
        return found
