"""What stages wrote, compared file by file."""

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RECORD = "machine.csv"  # tells of a machine what explains a difference, and is none


@dataclass(frozen=True)
class Compared:
    """A stage's outputs (files or folders), those of them that differ, and the files that do."""

    stage: str
    outputs: tuple[str, ...]
    differing: tuple[str, ...]
    files: tuple[str, ...]


def compare(first: Path, second: Path, written: Mapping[str, Sequence[str]]) -> list[Compared]:
    """Compare the outputs of stages in two trees byte for byte, records of machines aside.

    Args:
        written: stage -> the paths that it writes.
    """
    found = []
    for stage, outputs in written.items():
        compared = tuple(path for path in outputs if Path(path).name != RECORD)
        files = {path: tuple(_differing(first, second, path)) for path in compared}
        found.append(
            Compared(
                stage,
                compared,
                tuple(path for path in compared if files[path]),
                tuple(name for path in compared for name in files[path]),
            )
        )
    return found


def table(compared: Sequence[Compared]) -> str:
    """Stage, number of outputs, how many differ; a last line with the sums."""
    rows = [(it.stage, len(it.outputs), len(it.differing)) for it in compared]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    width = max(len(row[0]) for row in rows)
    lines = [f"{'stage':{width}}  outputs  differing"]
    return "\n".join(lines + [f"{name:{width}}  {outputs:7}  {differing:9}" for name, outputs, differing in rows])


def _differing(first: Path, second: Path, path: str) -> list[str]:
    """The files at or below `path` that are not the same in both trees."""
    names = sorted({name for tree in (first, second) for name in _files(tree, path)})
    return [
        name
        for name in names
        if not (
            (first / name).is_file()
            and (second / name).is_file()
            and filecmp.cmp(first / name, second / name, shallow=False)
        )
    ] or ([] if (first / path).exists() and (second / path).exists() else [path])


def _files(tree: Path, path: str) -> list[str]:
    top = tree / path
    found = [top] if top.is_file() else top.rglob("*")
    return [str(file.relative_to(tree)) for file in found if file.is_file()]
