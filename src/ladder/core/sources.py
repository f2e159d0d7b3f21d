"""The code that this process runs: digests of the bytes that were imported, not of what stands on disk later.

From the import of `ladder.core` on, which stages begin with, the modules of `ladder` are compiled from source: one read
gives the code and its digest, so that no edit falls in between, and no stale .pyc is used.
"""

import hashlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

READ_WITH = (
    "params.py",
    "params_file.py",
    "params_groups.py",
    "ladder_file.py",
)  # hold no value that a result depends on
PACKAGE = "ladder"
CHANGED = "changed while it was started"  # in place of a digest, and equal to none

_imported: dict[Path, str] = {}


class Recorder(SourceFileLoader):
    """Compiles what it reads, and remembers its digest."""

    def get_code(self, fullname: str) -> CodeType:
        data = self.get_data(self.path)
        _imported[Path(self.path).resolve()] = sha256(data)
        return self.source_to_code(data, self.path)


class Finder(MetaPathFinder):
    """Finds the modules of `ladder` as Python does, to be loaded by a Recorder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{PACKAGE}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = Recorder(spec.loader.name, spec.loader.path)
        return spec


def record() -> None:
    """From here on, remember what is imported."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def digests() -> dict[Path, str]:
    """sha256 of each module of `ladder` as it was imported (not that of params: a stage has their values), and of the
    script, CHANGED if it is not what runs."""
    for key, module in list(sys.modules.items()):
        if key.split(".")[0] == PACKAGE and getattr(module, "__file__", None):
            path = Path(str(module.__file__)).resolve()
            _imported.setdefault(path, sha256(path.read_bytes()))  # imported before `record`
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script and (path := Path(script).resolve()) not in _imported:
        _imported[path] = _digest_of_script(path)
    return {path: digest for path, digest in sorted(_imported.items()) if path.name not in READ_WITH}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of_script(path: Path) -> str:
    """Python has read it before anything of ours ran: what it reads now counts only if it compiles to the same."""
    data, running = path.read_bytes(), _running()
    try:
        same = running is None or compile(data, str(path), "exec", dont_inherit=True) == running
    except (SyntaxError, ValueError):  # saved half-way
        same = False
    return sha256(data) if same else CHANGED


def _running() -> CodeType | None:
    """The code of the script, if it is above us on the stack (a thread's stack begins elsewhere)."""
    frame: Any = sys._getframe()
    main = sys.modules["__main__"].__dict__
    while frame is not None:
        if frame.f_globals is main and frame.f_code.co_name == "<module>":
            return frame.f_code
        frame = frame.f_back
    return None
