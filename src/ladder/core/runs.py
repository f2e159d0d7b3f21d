"""What every stage run shares: one writer at a time, a key of all that determines the result, and an end check.

DVC hashes a stage's dependencies after its command has ended (treeverse/dvc#11058), deletes outs before it starts the
command and writes dvc.lock after: so a stage itself refuses what was edited under it, and keeps its resume state (see
`resume.py`) under DVC's root until dvc.lock holds the result.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from ladder import params
from ladder.core import locks, sources, states, threads
from ladder.core.errors import InputError

P = TypeVar("P", bound=BaseModel)


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
    def state(self, environment: Mapping[str, Any]) -> Iterator[Path]:
        """The folder of this run's resume state, locked; the same for the same determinants and environment.

        Marked finished when the block ends, and removed once the dvc.lock of this tree holds the last output.
        """
        with states.opened(_states(), self.name, self.determinants, environment) as folder:
            yield folder
            states.finish(folder, self.outputs[-1])


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
    if isinstance(cfg, params.Computing):
        threads.limit(cfg.threads)
    with locks.held(Path(".ladder/locks") / f"{name}.lock", f"another run of {name} is writing here") as still_ours:
        states.forget_recorded(_states())
        before = _determinants(name, cfg, inputs)
        _refuse_edited_code()
        written = tuple(Path(path) for path in outputs)
        created = [path for path in written if not path.exists()]
        try:
            yield Run(name, cfg, before, written)
            after = _determinants(name, select(params.read()), inputs)
            changed = [what for what in before if before[what] != after.get(what)] + _edited_code()
            if changed:
                raise InputError(
                    f"{', '.join(changed)} changed while {name} ran: its result belongs to neither version and was"
                    " removed; run it again"
                )
            still_ours()
        except BaseException:
            for path in created:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            raise


def _determinants(name: str, cfg: BaseModel, inputs: Sequence[str | Path]) -> dict[str, str]:
    """Label -> digest of the stage's name, params, input files and code (not that of params: `cfg` holds them)."""
    return (
        {"the stage": name, "params.yaml": sources.sha256(cfg.model_dump_json().encode())}
        | {str(path): _digest(Path(path)) for path in inputs}
        | {_short(path): digest for path, digest in sources.digests().items()}
    )


def _edited_code() -> list[str]:
    """Names of source files that are no longer what this process imported."""
    return [_short(path) for path, digest in sources.digests().items() if _digest(path) != digest]


def _refuse_edited_code() -> None:
    if edited := _edited_code():
        raise InputError(f"{', '.join(edited)} changed as the stage started: nothing was run; run it again")


def _digest(path: Path) -> str:
    """sha256 of a file, or of a folder's names and bytes. Raises InputError where there is nothing."""
    if path.is_dir():
        parts = sorted(file for file in path.rglob("*") if file.is_file())
        return sources.sha256("".join(f"{file.relative_to(path)} {_digest(file)}\n" for file in parts).encode())
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


def _states() -> Path:
    return root() / ".ladder" / "state"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
