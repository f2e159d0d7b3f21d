"""This tree's run against the one that a revision has committed: bytes where they can be the same, else accuracies.

They can be the same where each rung that a stage is, or follows from, was trained on machines of which the same is
recorded. Elsewhere a rounding error makes other weights, and what is compared is accuracy: that of each model here must
lie within the committed interval around its accuracy there.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.stage import Stage
from dvc.utils.serialize import ParseError, parse_yaml

from ladder.core.errors import InputError
from ladder.verifying import differences, machines
from ladder.verifying.copies import LOCK
from ladder.verifying.plan import Plan, outputs

Lock = Mapping[str, Mapping[str, Any]]  # stage -> what dvc.lock records of it


@dataclass(frozen=True)
class Runs:
    """The run in a tree, and the one that a revision has: `here` and `there` are their dvc.lock."""

    tree: Path
    revision: str
    here: Lock
    there: Lock

    def committed(self, path: str) -> bytes | None:
        return _show(self.tree, self.revision, path)


@dataclass(frozen=True)
class Row:
    """A stage, compared. `machine`: in what recorded machines differ; where in nothing, bytes are to be the same."""

    stage: str
    machine: tuple[str, ...]
    outputs: int
    differing: tuple[str, ...]
    accuracy: str  # in words, empty where the stage scores no model
    holds: bool


def compare(tree: Path, revision: str, plan: Plan) -> None:
    """Print a table of the plan's stages, by what each was compared, and why.

    Raises: InputError for a revision without a dvc.lock, a run here that is not whole, other params, or what differs.
    """
    there = _stages(_show(tree, revision, LOCK), f"{LOCK} of {revision}")
    if stale := plan.stale():
        raise InputError(f"there is no run here to compare: {', '.join(stale)} not up to date: `make repro` first")
    runs = Runs(tree, revision, _stages((tree / LOCK).read_bytes(), LOCK), there)
    _require_same_params(runs, plan)
    rows = [_row(runs, stage, plan) for stage in plan.run]
    print(_table(rows))
    by_bytes = sum(not row.machine for row in rows)
    print(
        f"verify: {by_bytes} of {len(rows)} stages by bytes: they follow from no training, or the same machine did it"
    )
    if by_bytes < len(rows):
        print(f"verify: {len(rows) - by_bytes} by accuracy, since machines differ (first here, second at {revision}):")
        print("\n".join(dict.fromkeys(f"  {reason}" for row in rows for reason in row.machine)))
    if wrong := [row for row in rows if not row.holds]:
        raise InputError("; ".join(_explain(runs, row) for row in wrong))
    print(f"verify: what was run here agrees with {revision}")


def _row(runs: Runs, stage: Stage, plan: Plan) -> Row:
    machine: dict[str, None] = {}
    for path in machines.records(path for it in (stage, *plan.before(stage)) for path in outputs(it)):
        committed = runs.committed(path)
        if committed is None:
            told = [f"{runs.revision} has no {path}"]
        else:
            ours = machines.read((runs.tree / path).read_text(encoding="utf-8"))
            told = machines.differences(ours, machines.read(committed.decode()))
        machine |= dict.fromkeys(told)
    ours, theirs = (_digests(lock, stage.addressing) for lock in (runs.here, runs.there))
    differing = tuple(path for path in ours if ours[path] != theirs.get(path))
    accuracy, within = _accuracy(runs, [path for path in ours if path.startswith("metrics/")])
    return Row(stage.addressing, tuple(machine), len(ours), differing, accuracy, within if machine else not differing)


def _accuracy(runs: Runs, paths: list[str]) -> tuple[str, bool]:
    """The accuracies in metrics in words, and whether each lies within the committed interval."""
    told, within = [], True
    for path in paths:
        ours, theirs = json.loads((runs.tree / path).read_bytes()), json.loads(runs.committed(path) or b"{}")
        if "accuracy" not in ours:
            continue
        if "accuracy_high" not in theirs:
            told.append(f"{runs.revision} has no {path}")
            within = False
            continue
        low, value, high = theirs["accuracy_low"], theirs["accuracy"], theirs["accuracy_high"]
        within = within and low <= ours["accuracy"] <= high
        told.append(f"{ours['accuracy']:.4f} here, {value:.4f} there ({low:.4f} to {high:.4f})")
    return "; ".join(told), within


def _require_same_params(runs: Runs, plan: Plan) -> None:
    problems = []
    for name in (stage.addressing for stage in (*plan.given, *plan.run) if stage.cmd):
        if name in runs.there:
            ours, theirs = (lock[name].get("params", {}).get("params.yaml", {}) for lock in (runs.here, runs.there))
            problems += [f"{key} of {name}" for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        else:
            problems.append(f"{name} is not in its {LOCK}")
    if problems:
        raise InputError(
            f"{runs.revision} has another run than this tree, and results of the two cannot be compared: params differ"
            f" ({'; '.join(problems)}): run what is committed there, or give another revision"
        )


def _explain(runs: Runs, row: Row) -> str:
    if row.machine:
        return f"{row.stage}: an accuracy is outside of the committed interval: {row.accuracy}"
    path = row.differing[0]
    committed = runs.committed(path)
    inside = ""
    if committed is not None:
        inside = f": {differences.inside((runs.tree / path).read_bytes(), committed, Path(path).suffix)}"
    ours, theirs = ({dep["path"]: dep["md5"] for dep in lock[row.stage]["deps"]} for lock in (runs.here, runs.there))
    others = [dep for dep in ours if ours[dep] != theirs.get(dep)]
    return f"{row.stage}: {path} has other bytes{inside} (of its inputs differ: {', '.join(others) or 'none'})"


def _table(rows: list[Row]) -> str:
    width = max(len(row.stage) for row in rows)
    lines = [f"{'stage':{width}}  by        outputs  differing  accuracy"]
    for row in rows:
        how, verdict = "accuracy" if row.machine else "bytes", "" if row.holds else "  NOT AS COMMITTED"
        line = f"{row.stage:{width}}  {how:8}  {row.outputs:7}  {len(row.differing):9}  {row.accuracy}{verdict}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _digests(lock: Lock, stage: str) -> dict[str, str]:
    """Output -> its digest; records of machines aside."""
    outs = {out["path"]: out["md5"] for out in lock[stage].get("outs", [])}
    return {path: digest for path, digest in outs.items() if not machines.records([path])}


def _stages(content: bytes | None, name: str) -> Lock:
    """What a dvc.lock records. Raises InputError for one that is none."""
    try:
        return parse_yaml((content or b"").decode(), name)["stages"]
    except (ParseError, UnicodeDecodeError, KeyError, TypeError):
        raise InputError(f"{name} cannot be read: give a revision of this repository that has results") from None


def _show(tree: Path, revision: str, path: str) -> bytes | None:
    """A file as it is in a revision; None where it is not there."""
    done = subprocess.run(["git", "-C", str(tree), "show", f"{revision}:./{path}"], capture_output=True)
    return done.stdout if done.returncode == 0 else None
