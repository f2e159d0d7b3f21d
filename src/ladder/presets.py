"""Presets: short YAML files of overrides of params.yaml.

python -m ladder.presets apply demo     merges presets/demo.yaml into params.yaml; its comments stay
python -m ladder.presets flags demo     prints the same as flags of `dvc exp run`
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ladder import params
from ladder.core.artifacts import files
from ladder.core.errors import InputError, nearest

FOLDER = Path("presets")


def load(name: str) -> dict[str, Any]:
    """The overrides of a preset. Raises InputError, naming the presets there are."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in known:
        if not known:
            raise InputError(f"there is no {FOLDER}/ in {Path.cwd()}: run this from the repository's top folder")
        raise InputError(f"there is no preset {name!r}; there are {', '.join(known)}{nearest(name, known)}")
    return params.load_yaml(FOLDER / f"{name}.yaml")


def merge(values: Any, overrides: dict[str, Any], path: str = "") -> None:
    """Override leaves of `values` in place. Raises InputError for a key that params.yaml does not have."""
    for key, value in overrides.items():
        if key not in values:
            raise InputError(f"params.yaml has no key {path}{key}{nearest(key, values)}")
        if isinstance(value, dict) and isinstance(values[key], dict) and values[key]:
            merge(values[key], value, f"{path}{key}.")
        elif values[key] != value:  # an equal one stays as it is written
            values[key] = value


def apply(name: str, path: str | Path = params.PATH) -> None:
    """Merge a preset into params.yaml. Raises InputError, and leaves the file as it was, if the result is not valid."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    values = yaml.load(Path(path).read_text(encoding="utf-8"))
    merge(values, load(name))
    with files.atomic(path) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)
        params.validate(params.load_yaml(temporary), f"{path} with preset {name}")


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
    if isinstance(value, int | float) or (isinstance(value, str) and not set(value) & set("~= ,'\"{}[]$")):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return "'[" + ",".join(str(item) for item in value) + "]'"
    raise InputError(f"{key}: `dvc exp run -S` cannot express {value!r}: use `python -m ladder.presets apply`")


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
