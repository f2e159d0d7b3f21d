"""The CIFAR ladder: the library that the DVC stages in `stages/` call, one idea per file."""

import importlib.util
import sys

# Stages import from here first. A `dvc` called by its path runs them with whatever Python is on PATH, the system's own
# perhaps, and that is better said than shown by the traceback of some import.
_missing = [name for name in ("filelock", "numpy", "PIL", "pydantic") if importlib.util.find_spec(name) is None]
if _missing:
    sys.exit(
        f"ladder: this Python ({sys.executable}) has no {_missing[0]}: activate the environment"
        " (`source .venv/bin/activate`), or use make"
    )
