"""dvc.yaml as DVC resolves it, with its templates filled in: what the tests compare with the code."""

import shlex
from typing import Any

from dvc.parsing import DataResolver
from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from imports import ROOT

STAGES: dict[str, dict[str, Any]] = DataResolver(
    Repo(str(ROOT)), str(ROOT), load_yaml(str(ROOT / "dvc.yaml"))
).resolve()["stages"]


def group(name: str) -> list[str]:
    """The members of a `foreach` stage."""
    return [stage.partition("@")[2] for stage in STAGES if stage.startswith(f"{name}@")]


def script(stage: dict) -> str:
    return shlex.split(stage["cmd"])[3]


def arguments(stage: dict) -> list[str]:
    return shlex.split(stage["cmd"])[4:]


def outs(stage: dict) -> set[str]:
    """Paths of all outputs, metrics and plots."""
    listed = stage.get("outs", []) + stage.get("metrics", []) + stage.get("plots", [])
    return {next(iter(out)) if isinstance(out, dict) else out for out in listed}


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def downstream(start: set[str]) -> set[str]:
    """The stages named and all that follow from them. A dependency on a folder is one on all that lies in it."""
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        found |= waiting
        made = set().union(*(outs(STAGES[name]) for name in waiting))
        waiting = {
            name for name, stage in STAGES.items() if any(inside(out, dep) for out in made for dep in stage["deps"])
        } - found
    return found
