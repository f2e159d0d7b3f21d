"""Resume states of stages: folders under DVC's root, by all that determines a result and the machine it is made on."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ladder.core import locks
from ladder.core.artifacts import files, sealed

ABOUT, FINISHED = "about.json", "finished.json"
DIGEST = 32  # bytes of sha256 at the start of a file in a state


@contextmanager
def opened(states: Path, name: str, determinants: Mapping[str, str], environment: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a run's resume state, locked; the same for the same determinants and environment."""
    key = hashlib.sha256(json.dumps([determinants, environment], sort_keys=True).encode()).hexdigest()
    folder = states / f"{name}-{key[:16]}"
    busy = f"another run of {name} with the same params and data is in progress"
    with locks.held(_lock_of(folder), busy) as still_ours:
        folder.mkdir(parents=True, exist_ok=True)  # a run that ended while this one waited may have cleared it
        about = {"determinants": determinants, "environment": environment}
        if not (folder / ABOUT).exists():
            _say_what_is_not_used(states, name, about)
        sealed.write_json(folder / ABOUT, about, {})
        yield folder
        still_ours()


def finish(folder: Path, output: Path) -> None:
    """Mark a state as finished: it may go once the dvc.lock of this tree holds the file `output`."""
    done = {"tree": str(Path.cwd()), "md5": hashlib.md5(output.read_bytes()).hexdigest()}
    sealed.write_json(folder / FINISHED, done, {})


def forget_recorded(states: Path) -> None:
    """Remove finished states whose result is in the dvc.lock of their tree, or whose tree is gone."""
    for finished in states.glob(f"*/{FINISHED}"):
        if not _may_go(finished):
            continue
        with locks.free(_lock_of(finished.parent)) as free:  # else it is being emitted again right now
            if free:
                shutil.rmtree(finished.parent, ignore_errors=True)  # another stage may be at it, too


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a file of a state, atomically, with a digest of what it holds and of where it lies."""
    files.write_bytes(path, _digest(path, content), content)


def read(path: Path, damaged: str) -> bytes | None:
    """The content of what `write` wrote, None where there is none. What is damaged is set aside, in one line.

    Args:
        damaged: the line, with {} for what was found.
    """
    try:
        with path.open("rb") as file:
            digest, content = file.read(DIGEST), file.read()
        if digest != _digest(path, content):
            raise ValueError("its digest is another, or it is of another run")
    except FileNotFoundError:
        return None
    except (ValueError, IsADirectoryError) as error:
        print(damaged.format(error), flush=True)
        _set_aside(path)
        return None
    return content


def _digest(path: Path, content: bytes | memoryview) -> bytes:
    """The folder's name stands for all that determines a result: a file of another run is none of this one."""
    digest = hashlib.sha256(f"{path.parent.name}/{path.name}\n".encode())
    digest.update(content)  # not joined to one: it may be large
    return digest.digest()


def _set_aside(path: Path) -> None:
    aside = path.with_suffix(".damaged")
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # another process of the same training was first
        path.rename(aside)


def _may_go(finished: Path) -> bool:
    done = _read(finished, "tree", "md5")
    if done is None:
        if finished.exists():
            print(f"{finished.parent.name}/{finished.name} is damaged and was removed: the state beside it is kept")
            shutil.rmtree(finished) if finished.is_dir() else finished.unlink(missing_ok=True)
        return False
    tree, md5 = done["tree"], done["md5"]
    lock = Path(tree) / "dvc.lock"
    return not Path(tree).is_dir() or (lock.is_file() and md5.encode() in lock.read_bytes())


def _say_what_is_not_used(states: Path, name: str, about: Mapping[str, Any]) -> None:
    """One line where a state of the same stage, params, data and code is there, but of another environment."""
    for path in sorted(states.glob(f"{name}-*/{ABOUT}")):
        other = _read(path, "determinants", "environment")
        holds_state = any(file.name not in (ABOUT, FINISHED) for file in path.parent.iterdir())
        if other is None or other["determinants"] != about["determinants"] or not holds_state:
            continue
        environment = other["environment"]
        ours = about["environment"]
        differ = [key for key in {**environment, **ours} if environment.get(key) != ours.get(key)]
        then, now = (", ".join(f"{key} {values.get(key)}" for key in differ) for values in (environment, ours))
        print(f"{name}: a state of an earlier run is not used: it was made with {then}, this run has {now}", flush=True)
        return


def _read(path: Path, *keys: str) -> dict[str, Any] | None:
    """What a JSON of ours holds, None where it is gone, damaged or another: nothing but tidiness depends on it."""
    try:
        found = sealed.read_json(path)[0]
    except (OSError, ValueError, RecursionError):
        return None
    return found if found.keys() == set(keys) else None


def _lock_of(state: Path) -> Path:
    return state.with_suffix(".lock")
