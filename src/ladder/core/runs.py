"""What every stage run shares: one writer at a time, a key of all that determines the result, and an end check.

DVC hashes a stage's dependencies after its command has ended (treeverse/dvc#11058), deletes outs before it starts the
command and writes dvc.lock after: so a stage itself refuses what was edited under it, and keeps its resume state (see
`resume.py`) under DVC's root until dvc.lock holds the result.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel

from ladder import params
from ladder.core.artifacts import files
from ladder.core.errors import InputError

P = TypeVar("P", bound=BaseModel)
FINISHED = "finished.json"
READ_WITH = (
    "params.py",
    "params_file.py",
    "params_groups.py",
    "ladder_file.py",
)  # hold no value that a result depends on


def root() -> Path:
    """Where archives and resume state are found: the original repository, in a temporary experiment too."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


@dataclass(frozen=True)
class Run(Generic[P]):
    """A stage run in progress: its params, and `determinants`: digests of all that its result depends on."""

    name: str
    params: P
    determinants: dict
    outputs: tuple[Path, ...]

    @contextmanager
    def state(self, environment: dict) -> Iterator[Path]:
        """The folder of this run's resume state, locked; the same for the same determinants and environment.

        Marked finished when the block ends, and removed once the dvc.lock of this tree holds the last output.
        """
        key = _sha256(json.dumps([self.determinants, environment], sort_keys=True).encode())
        folder = _states() / f"{self.name}-{key[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(_lock_of(folder), f"another run of {self.name} with the same params and data is in progress"):
            folder.mkdir(exist_ok=True)  # a run that ended while this one waited may have cleared it
            yield folder
            done = {"tree": str(Path.cwd()), "md5": hashlib.md5(self.outputs[-1].read_bytes()).hexdigest()}
            with files.atomic(folder / FINISHED) as temporary:
                temporary.write_text(json.dumps(done))


@contextmanager
def stage(
    name: str,
    select: Callable[[params.Params], P],
    *,
    inputs: Sequence[str | Path],
    outputs: Sequence[str | Path],
) -> Iterator[Run[P]]:
    """Run one stage: validate params, lock, yield the run, then refuse the result if anything changed meanwhile.

    Args:
        name: the stage's name.
        select: the part of the params that this stage reads.
        inputs: files and folders it reads.
        outputs: files and folders it writes, the last one a file if it keeps a `state`; on an error, those that it
            created are removed.
    Raises: InputError for bad params, missing inputs, foreign code, or anything edited during the run.
    """
    _refuse_foreign_code()
    cfg = select(params.read())
    with _locked(Path(".ladder/locks") / f"{name}.lock", f"another run of {name} is writing here"):
        _forget_recorded()
        before = _determinants(name, cfg, inputs)
        written = tuple(Path(path) for path in outputs)
        created = [path for path in written if not path.exists()]
        try:
            yield Run(name, cfg, before, written)
            after = _determinants(name, select(params.read()), inputs)
            changed = [what for what in before if before[what] != after.get(what)]
            if changed:
                raise InputError(
                    f"{', '.join(changed)} changed while {name} ran: its result belongs to neither version and was"
                    " removed; run it again"
                )
        except BaseException:
            for path in created:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            raise


def _determinants(name: str, cfg: BaseModel, inputs: Sequence[str | Path]) -> dict[str, str]:
    """Label -> digest of the stage's name, params, input files and code (not that of params: `cfg` holds them)."""
    code = [module.__file__ for key, module in sys.modules.items() if key.split(".")[0] == "ladder"]
    code += [getattr(sys.modules["__main__"], "__file__", None)]
    sources = sorted({Path(file).resolve() for file in code if file and Path(file).name not in READ_WITH})
    return (
        {"the stage": name, "params.yaml": _sha256(cfg.model_dump_json().encode())}
        | {str(path): _digest(Path(path)) for path in inputs}
        | {_short(path): _sha256(path.read_bytes()) for path in sources}
    )


def _digest(path: Path) -> str:
    """sha256 of a file, or of a folder's names and bytes. Raises InputError where there is nothing."""
    if path.is_dir():
        parts = sorted(file for file in path.rglob("*") if file.is_file())
        return _sha256("".join(f"{file.relative_to(path)} {_digest(file)}\n" for file in parts).encode())
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: `dvc repro` makes it") from None


def _refuse_foreign_code() -> None:
    """An installed `ladder` must not stand in for the one of the tree that a stage runs in."""
    here, imported = Path("src/ladder").resolve(), Path(__file__).resolve().parents[1]
    if here.is_dir() and here != imported:
        raise InputError(
            f"the code of {imported} was imported in a tree that has its own {here}: run stages through dvc"
        )


@contextmanager
def _locked(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file `path`, which the system frees when this process dies. Waits, saying `busy`, for another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{busy} (a stage outlives a killed dvc): waiting for it to end", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _states() -> Path:
    return root() / ".ladder" / "state"


def _lock_of(state: Path) -> Path:
    return state.with_suffix(".lock")


def _forget_recorded() -> None:
    """Remove finished resume states whose result is in the dvc.lock of their tree, or whose tree is gone."""
    for finished in _states().glob(f"*/{FINISHED}"):
        done = json.loads(finished.read_text())
        tree, recorded = Path(done["tree"]), Path(done["tree"]) / "dvc.lock"
        if tree.is_dir() and not (recorded.is_file() and done["md5"] in recorded.read_text()):
            continue
        try:
            with FileLock(_lock_of(finished.parent), timeout=0):
                shutil.rmtree(finished.parent)
        except Timeout:
            continue  # being emitted again right now


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
