"""dvc.yaml with its templates filled in: what the tests compare with the code."""

import shlex
from typing import Any

import yaml

from imports import ROOT
from ladder.params_file import load_yaml

_FILE = load_yaml(ROOT / "dvc.yaml")
_PARAMS = load_yaml(ROOT / "params.yaml")
FOREACH: dict[str, list[str]] = {
    name: entry["foreach"] for name, entry in _FILE["stages"].items() if "foreach" in entry
}

INTERPOLATED = ("data.source", "data.path", "distill.teacher")  # params that stand in paths


def _filled(entry: dict, item: str = "") -> dict[str, Any]:
    known = {"item": item, "python": _FILE["vars"][0]["python"]}
    known |= {key: _PARAMS[group][name] for key in INTERPOLATED for group, name in [key.split(".")]}
    text = yaml.safe_dump(entry, width=4096)
    for name, value in known.items():
        text = text.replace("${" + name + "}", value)
    return yaml.safe_load(text)


STAGES: dict[str, dict[str, Any]] = {}
for _name, _entry in _FILE["stages"].items():
    if _name in FOREACH:
        STAGES |= {f"{_name}@{item}": _filled(_entry["do"], item) for item in FOREACH[_name]}
    else:
        STAGES[_name] = _filled(_entry)


def script(stage: dict) -> str:
    return shlex.split(stage["cmd"])[3]


def arguments(stage: dict) -> list[str]:
    return shlex.split(stage["cmd"])[4:]


def outs(stage: dict) -> set[str]:
    """Paths of all outputs, metrics and plots."""
    listed = stage.get("outs", []) + stage.get("metrics", []) + stage.get("plots", [])
    return {next(iter(out)) if isinstance(out, dict) else out for out in listed}


def downstream(start: set[str]) -> set[str]:
    """The stages named and all that follow from them."""
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        found |= waiting
        made = set().union(*(outs(STAGES[name]) for name in waiting))
        waiting = {name for name, stage in STAGES.items() if made & set(stage["deps"])} - found
    return found
