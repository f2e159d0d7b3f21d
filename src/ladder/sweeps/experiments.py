"""The experiments of a commit, as `dvc exp show` lists them: their params, and the accuracies that are their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from dvc.utils.flatten import flatten
from ruamel.yaml import YAML

from ladder.core.errors import InputError
from ladder.sweeps import recorded


@dataclass(frozen=True)
class Experiment:
    """One row of `dvc exp show`.

    `created`: ISO 8601, empty if it has not ended; `state`: success, queued, running or failed. `params`: dotted key ->
    value. `accuracy`: model -> test accuracy, a fraction; only of the models that this very experiment scored.
    """

    name: str
    created: str
    state: str
    params: dict[str, Any]
    accuracy: dict[str, float]


def read(rev: str = "HEAD") -> tuple[Experiment, list[Experiment]]:
    """A commit as a row of its own, and the experiments that started from it, the newest first.

    Raises: InputError where DVC cannot list them, or may have thrown them away.
    """
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", "--rev", rev]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`dvc exp show --rev {rev}` failed: {done.stderr.strip()}")
    commit = json.loads(done.stdout)[1]  # the first is the workspace
    ranges = commit["experiments"] or []
    if not ranges and _output("git", "rev-parse", "--is-shallow-repository") == "true":
        raise InputError(
            "this clone is shallow, and DVC keeps no queued and no temporary experiment there: `git fetch --unshallow`"
        )
    found = [_experiment(each["revs"][0], (each["executor"] or {}).get("state") or "success") for each in ranges]
    return _experiment(commit, "success"), found


def _experiment(row: dict[str, Any], state: str) -> Experiment:
    data = row["data"] or {}
    params = data.get("params", {}).get("params.yaml", {}).get("data", {})
    scored = {
        path.removeprefix("metrics/").removesuffix(".json"): (path, metrics.get("data", {}))
        for path, metrics in data.get("metrics", {}).items()
    }
    lock = _lock(row["rev"]) if state == "success" else {}
    return Experiment(
        name=row["name"] or row["rev"][:7],
        created=data.get("timestamp") or "" if state == "success" else "",
        state="failed" if row["error"] else state,
        params=flatten(params),
        accuracy={
            name: values["accuracy"]
            for name, (path, values) in scored.items()
            if "accuracy" in values and recorded.is_own(path, lock, params)
        },
    )


def _lock(rev: str) -> dict[str, Any]:
    lock = YAML(typ="safe").load(_output("git", "show", f"{rev}:dvc.lock"))
    return lock["stages"] if lock else {}  # a commit from before the first run has none


def _output(*command: str) -> str:
    """What a command prints, nothing if it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
