"""What a stage really imports when it runs as DVC runs it."""

import os
import subprocess
import sys
from pathlib import Path

from imports import SRC


def packages(script: Path, *arguments: str) -> set[str]:
    """Names of the top packages that a stage's script imports, in the current folder; it must end well."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(script), *arguments],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
