"""Presets: short YAML files of overrides of params.yaml.

python -m ladder.presets apply demo     merges presets/demo.yaml into params.yaml; its comments stay
python -m ladder.presets flags demo     prints the same as flags of `dvc exp run`
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ladder import params, params_edit
from ladder.core.artifacts import files
from ladder.core.errors import InputError, nearest
from ladder.params_file import load_yaml, shown

FOLDER = Path("presets")

# Presets that were, and what took their place.
GONE = {"transfer": "is gone: gpu is the reference's regime at 224 px, cpu transfer learning with two CPU cores"}


def load(name: str) -> dict[str, Any]:
    """The overrides of a preset. Raises InputError, naming the presets there are."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in known:
        if not known:
            raise InputError(f"there is no {FOLDER}/ in {Path.cwd()}: run this from the repository's top folder")
        if name in GONE:
            raise InputError(f"the preset {name} {GONE[name]}; there are {', '.join(known)}")
        raise InputError(f"there is no preset {name!r}; there are {', '.join(known)}{nearest(name, known)}")
    overrides = load_yaml(FOLDER / f"{name}.yaml")
    if not isinstance(overrides, dict):
        raise InputError(
            f"{FOLDER / name}.yaml must hold groups of {params.PATH} with what they change, as in `aug: {{cutout: 8}}`,"
            f" not {shown(overrides)}"
        )
    return overrides


def merge(values: dict[str, Any], overrides: dict[str, Any], path: str = "") -> dict[str, Any]:
    """`values` with its leaves overridden. Raises InputError for a key that params.yaml does not have."""
    merged = dict(values)
    for key, value in overrides.items():
        if key not in values:
            hint = f": {params.TOLD[path + key]}" if path + key in params.TOLD else nearest(key, values)
            raise InputError(f"{params.PATH} has no key {path}{key}{hint}")
        if isinstance(value, dict) and isinstance(values[key], dict) and values[key]:
            merged[key] = merge(values[key], value, f"{path}{key}.")
        elif not params_edit.same(values[key], value):  # an equal one stays as it is written
            merged[key] = value
    return merged


def apply(name: str, path: str | Path = params.PATH) -> None:
    """Merge a preset into params.yaml. Raises InputError, and leaves the file as it was, if the result is not valid.

    A group that is an alias of another becomes one of its own where the two no longer agree.
    """
    overrides, values = load(name), load_yaml(path)
    if not isinstance(values, dict):
        params.validate(values, path)
    merged = merge(values, overrides)
    params.validate(merged, f"{path} with preset {name}")
    with files.atomic(path) as temporary:
        with Path(path).open(encoding="utf-8", newline="") as file:
            text = file.read()
        temporary.write_text(params_edit.edit(text, values, merged), encoding="utf-8", newline="")
        if load_yaml(temporary) != merged:
            raise InputError(
                f"{path} is written in a way that preset {name} cannot be merged into: write each value that it changes"
                " on a line of its own, without an alias"
            )


def is_committed(path: str | Path = params.PATH) -> bool:
    """Whether the file is as the last commit has it; True where there is no Git repository to tell."""
    return not subprocess.run(["git", "status", "--porcelain", "--", path], capture_output=True).stdout


def flags(name: str) -> str:
    """`-S key=value` for each override. Raises InputError for a value that `dvc exp run -S` cannot express."""
    return " ".join(f"-S {key}={_hydra(key, value)}" for key, value in _leaves(load(name)))


def _leaves(overrides: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in overrides.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _hydra(key: str, value: Any) -> str:
    if isinstance(value, bool | None):
        return str(value).lower().replace("none", "null")
    if _is_plain(value):
        return str(value)
    if isinstance(value, list) and all(_is_plain(item) for item in value):
        return "'[" + ",".join(str(item) for item in value) + "]'"
    raise InputError(f"{key}: `dvc exp run -S` cannot express {value!r}: use `python -m ladder.presets apply`")


def _is_plain(value: Any) -> bool:
    """Whether shell, Hydra and YAML all take it as it is."""
    if isinstance(value, str):
        return bool(re.fullmatch(r"[\w./+-]+", value)) and params_edit.flow(value) == value
    return isinstance(value, int | float)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ladder.presets", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["apply", "flags"])
    parser.add_argument("name")
    arguments = parser.parse_args()
    try:
        if arguments.command == "apply":
            if not is_committed():
                print(
                    f"presets: {params.PATH} differs from the last commit; {arguments.name} is merged into it as it is"
                    f" (`git checkout {params.PATH}` brings the committed values back)"
                )
            apply(arguments.name)
        else:
            print(flags(arguments.name))
    except InputError as error:
        sys.exit(f"presets: {error}")


if __name__ == "__main__":
    main()
