"""What the files of the project import, read from the code: what dvc.yaml must name, and which way arrows run."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
LADDER = SRC / "ladder"

FOLDERS = sorted(path.parent.name for path in LADDER.glob("*/__init__.py"))


def modules(folder: str) -> set[Path]:
    """The modules of a folder of `ladder` and of the folders in it; empty packages aside."""
    return {path for path in (LADDER / folder).rglob("*.py") if path.name != "__init__.py"}


def folder_of(module: Path) -> str | None:
    """The folder of `ladder` that a module stands in; None for what stands beside the folders, such as params.py."""
    parts = module.relative_to(LADDER).parts
    return parts[0] if len(parts) > 1 else None


def reached(script: Path) -> set[Path]:
    """The modules of `ladder` that a file imports, transitively, the file itself if it is one; empty packages aside."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path)
    return {path for path in found if path.is_relative_to(LADDER) and path.name != "__init__.py"}


def imported(path: Path) -> list[Path]:
    """The files of `ladder` that a file imports, inside functions too; `from a import b` counts as a and a.b."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [file for name in names if name.split(".")[0] == "ladder" for file in _files(name)]


def _files(name: str) -> list[Path]:
    module = SRC.joinpath(*name.split("."))
    return [path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file()]
