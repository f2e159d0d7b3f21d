"""`<name>.onnx` and `<name>.json` beside it: a deployed classifier and what its answers mean. No torch, no onnx."""

import json
from pathlib import Path
from typing import Any

from ladder.core.artifacts import files
from ladder.core.errors import InputError


def save(path: str | Path, model: bytes, about: dict[str, Any]) -> None:
    """Write `path` (.onnx) and its JSON: `classes`, `image_size` (side of the images it takes, pixels), `arch`, ..."""
    with files.atomic(path) as temporary:
        temporary.write_bytes(model)
    files.write_json(Path(path).with_suffix(".json"), about)


def about(path: str | Path) -> dict[str, Any]:
    """What stands beside the model `path`. Raises InputError where either file is missing or damaged."""
    try:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} is missing")
        return json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no deployed model ({error}): `dvc repro quantize` makes it") from None
