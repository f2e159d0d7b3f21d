"""Check that dvc.lock, params.yaml, code and tracked results belong together: `make check-lock`.

Works on a fresh clone, without cache or remote. `dvc repro --dry --allow-missing` alone would not do: it exits 0 when a
last stage is stale, and does not miss a deleted metric.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ladder.core.errors import InputError, exit_on_input_error

LOCK = Path("dvc.lock")
NOT_IN_GIT = ("data", "models", "deployed", "predictions", "my_report.html")  # results that only a cache holds


def main() -> None:
    stages = recorded()
    problems = stale() + changed(stages)
    if problems:
        raise InputError("\n  ".join(["what is committed does not belong together:", *problems]))
    print(f"check-lock: {len(stages)} stages are up to date, and every tracked result is the one {LOCK} records")


def recorded() -> dict[str, dict[str, Any]]:
    """The stages of dvc.lock. Raises InputError where there is none."""
    try:
        return yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"{LOCK} cannot be read ({error}): `dvc repro` writes it") from None


def stale() -> list[str]:
    """What `dvc repro` would run, up to the first stage whose inputs only a cache holds: there a dry run breaks off."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"]
    done = subprocess.run(command, capture_output=True, text=True)
    names = re.findall(r"^Running stage '([^']+)'", done.stdout, flags=re.MULTILINE)
    names += re.findall(r"failed to reproduce '([^']+)'.*No such file", done.stderr)
    if names:
        return [f"{name} is not up to date: `dvc repro` runs it" for name in names]
    if done.returncode:
        return [f"`{' '.join(command[2:])}` failed: {done.stderr.strip()}"]
    return []


def changed(stages: dict[str, dict[str, Any]]) -> list[str]:
    """Results kept in Git that are missing or not as recorded; heavy ones may be absent, as on a fresh clone."""
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    tracked, problems = set(listed), []
    for name, stage in stages.items():
        for out in stage.get("outs", []):
            path = Path(out["path"])
            if out["path"] not in tracked and path.parts[0] in NOT_IN_GIT:
                continue
            if out["path"] not in tracked:
                problems.append(f"{path}, a result of {name}, is not in Git")
            elif not path.is_file():
                problems.append(f"{path}, a result of {name}, is missing")
            elif hashlib.md5(path.read_bytes()).hexdigest() != out["md5"]:
                problems.append(f"{path} is not what {name} wrote")
    return problems


if __name__ == "__main__":
    exit_on_input_error(main)
