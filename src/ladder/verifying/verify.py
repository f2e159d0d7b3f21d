"""The same bytes, shown: python -m ladder.verifying.verify [--jobs N] [--preset NAME | --against REVISION] [STAGE...]

Runs stages a second time, in a temporary clone without cache, and compares all that they write with the first run, byte
for byte. The first run is the one in this tree; of a preset, one in another temporary clone, a stage at a time. With a
revision nothing is run: the run in this tree is compared with the one that is committed there.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from ladder.core.errors import InputError, exit_on_input_error
from ladder.verifying import against, copies, differences, machines, outputs, plan
from ladder.verifying.plan import Plan


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(prog="python -m ladder.verifying.verify", description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="stages to run a second time (all but benchmark)")
    parser.add_argument("--jobs", type=int, metavar="N", help="stages at a time (what the machine carries)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--preset", metavar="NAME", help="make both runs, of params.yaml with this preset merged in")
    which.add_argument("--against", metavar="REVISION", help="compare this tree's run with the one committed there")
    asked = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    here = Path.cwd()
    if asked.against:
        with _planned(here, asked.stages) as again:
            against.compare(here, asked.against, again)
        return
    folder = Path(tempfile.mkdtemp(prefix="verify-")).resolve()
    try:
        first = folder / "first" if asked.preset else here
        second = folder / "second"
        if asked.preset:
            run_of_preset(here, first, asked.preset, asked.stages)
        with _planned(first, asked.stages) as again:
            differing = compare_with_second_run(first, second, again, asked.jobs)
            machine = _machines(first, second, again)
    except BaseException:
        shutil.rmtree(folder)
        raise
    if differing:
        raise InputError(
            f"{len(differing)} files have other bytes in the second run, which is kept in {folder}. The first"
            f" difference, in {differing[0]}: {differences.first(first / differing[0], second / differing[0])}."
            f" Machines: {machine or 'recorded as the same'}"
        )
    shutil.rmtree(folder)
    print("verify: the second run wrote the same bytes (not compared: benchmark, which measures, and machine.csv)")


def run_of_preset(here: Path, tree: Path, preset: str, names: Sequence[str]) -> None:
    """Copy this tree, merge a preset into its params, and make the stages there, one at a time."""
    copies.make(here, tree)
    apply = [sys.executable, "-m", "ladder.presets", "apply", preset]
    done = subprocess.run(apply, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise InputError(done.stderr.strip())
    with _planned(tree, names, whole=True) as whole:
        copies.hand_over(here, tree, whole)
        print(f"verify: the first run, of preset {preset}: {len(whole.run)} stages, one at a time, in {tree}")
        copies.run(tree, whole.names, 1)


def compare_with_second_run(first: Path, tree: Path, again: Plan, jobs: int | None) -> list[str]:
    """Run stages of the tree `first` in a new copy, and print what they write differently.

    Returns: the files that differ.
    Raises: InputError where the first run is not there, whole and up to date.
    """
    if stale := again.stale():
        raise InputError(
            f"there is no first run to compare with: {', '.join(stale)} not up to date here, or without outputs:"
            " `make repro` first, or give PRESET or AGAINST"
        )
    copies.make(first, tree)
    copies.hand_over(first, tree, again)
    given = f", what {len(again.given)} others left handed over and checked" if again.given else ""
    print(f"verify: the second run: {len(again.run)} stages{given}, in {tree}")
    copies.run(tree, again.names, jobs)
    found = outputs.compare(first, tree, again.written())
    print(outputs.table(found))
    return [name for it in found for name in it.files]


def _machines(first: Path, second: Path, again: Plan) -> str:
    """What the machines of the two runs differ in, as far as it was recorded."""
    found: dict[str, None] = {}
    for path in machines.records(path for stage in again.run for path in plan.outputs(stage)):
        both = (machines.read((tree / path).read_text(encoding="utf-8")) for tree in (first, second))
        found |= dict.fromkeys(machines.differences(*both))
    return "; ".join(found)


@contextlib.contextmanager
def _planned(tree: Path, names: Sequence[str], *, whole: bool = False) -> Iterator[Plan]:
    """A plan of a tree, good as long as its repository is open. Raises InputError where there is none."""
    try:
        repo = Repo(str(tree))
    except DvcException as error:
        raise InputError(str(error)) from None
    with repo, contextlib.chdir(tree):  # DVC names stages as seen from the current folder
        yield plan.make(repo, names, whole=whole)


if __name__ == "__main__":
    exit_on_input_error(main)
