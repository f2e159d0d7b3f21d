"""Results that Git tracks, read back for a document. InputError, saying what makes the file, where that fails."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
from ruamel.yaml import YAML, YAMLError

from ladder.core.errors import InputError


def text(path: str | Path, maker: str = "dvc repro") -> str:
    """The content of a text file in UTF-8. `maker`: the command that writes it."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): `{maker}` makes it") from None


def rows(path: str | Path, columns: Sequence[str], maker: str = "dvc repro") -> list[dict[str, Any]]:
    """The rows of a CSV file, one or more: column -> number or text. `columns` are those that it must have."""
    try:
        # A GPU may be called `none`.
        read = pd.read_csv(io.StringIO(text(path, maker)), keep_default_na=False, na_values=[""])
    except ValueError as error:  # pandas' errors of parsing are all of this kind
        raise InputError(f"{path} is no table ({error}): `{maker}` makes it") from None
    if missing := [name for name in columns if name not in read]:
        raise InputError(f"{path} has no column {', '.join(missing)}: `{maker}` makes it anew")
    if read.empty:
        raise InputError(f"{path} has no row: `{maker}` makes it anew")
    return cast("list[dict[str, Any]]", read.to_dict("records"))


def recipes(groups: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Rung -> the recipe that it was trained with, as dvc.lock records it: params.yaml may have changed since.

    Args:
        groups: rung -> the group of params that is its recipe.
    """
    try:
        stages = YAML(typ="safe").load(text("dvc.lock"))["stages"]
        found = {rung: stages[rung]["params"]["params.yaml"][group] for rung, group in groups.items()}
    except (KeyError, TypeError, YAMLError) as error:
        raise InputError(f"dvc.lock does not record how each rung was trained ({error}): `dvc repro` does") from None
    # Release 0.1.0 recorded no `weights`: all its networks began from random ones.
    return {rung: {"weights": "scratch", **recipe} for rung, recipe in found.items()}
