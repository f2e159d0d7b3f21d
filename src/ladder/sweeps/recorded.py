"""Whether a commit's metric was made with the commit's params, from dvc.lock alone.

An experiment that ran some stages only still holds the other stages' metrics, which Git tracks: those of the commit it
started from, made with another seed. Taken for its own they would make a rung look alike on every seed.
"""

from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any

from dvc_data.hashfile.tree import Tree

Stages = Mapping[str, Mapping[str, Any]]


def is_own(path: str, lock: Stages, params: Mapping[str, Any]) -> bool:
    """Whether the stage that wrote `path`, and all stages before it, ran with these params and on each other's results.

    Args:
        lock: `stages` of dvc.lock.
        params: of params.yaml, nested.
    """
    stages = _upstream(path, lock)
    digests: dict[str, set[str]] = {}
    for stage in stages:
        for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
            digests.setdefault(entry["path"], set()).add(entry["md5"])
    written = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    for folder in digests.keys() - written.keys():
        inside = {path: md5 for path, md5 in written.items() if path.startswith(f"{folder}/")}
        if inside and not any(md5.endswith(".dir") for md5 in inside.values()):
            digests[folder].add(_folder_digest(folder, inside))
    alike = all(len(found) == 1 for found in digests.values())
    return bool(stages) and alike and all(_ran_with(stage, params) for stage in stages)


def _upstream(path: str, lock: Stages) -> list[Mapping[str, Any]]:
    """The stage that wrote a path, and all that it follows from."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = [path]
    while waiting:
        wanted = waiting.pop()
        for name, stage in lock.items():
            if name not in found and any(_touch(out["path"], wanted) for out in stage.get("outs", [])):
                found[name] = stage
                waiting += [dep["path"] for dep in stage.get("deps", [])]
    return list(found.values())


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _folder_digest(folder: str, files: Mapping[str, str]) -> str:
    """What DVC records for a dependency on a folder that holds these files, path -> md5."""
    tree = Tree.from_list([{"relpath": path.removeprefix(f"{folder}/"), "md5": md5} for path, md5 in files.items()])
    tree.digest()
    return str(tree.hash_info.value)


def _ran_with(stage: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    try:
        return all(
            reduce(getitem, key.split("."), params) == value
            for key, value in stage.get("params", {}).get("params.yaml", {}).items()
        )
    except (KeyError, TypeError):  # a param that is gone
        return False
