"""Which `ladder` modules a stage script reaches, read from the code: what its `deps` in dvc.yaml must name."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"


def reached(script: str) -> set[str]:
    """Paths, relative to the repository, of the script and all the modules it imports, transitively; but `params.py`,
    whose values are tracked as params, and empty packages."""
    found, waiting = set(), [ROOT / script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imported(path) for file in _files(name)]
    names = {str(path.relative_to(ROOT)) for path in found}
    return {name for name in names if Path(name).name not in ("params.py", "__init__.py")}


def _imported(path: Path) -> list[str]:
    """Full names of what a file imports, inside functions too; `from a import b` counts as a and a.b."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "ladder"]


def _files(name: str) -> list[Path]:
    module = SRC.joinpath(*name.split("."))
    return [path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file()]
