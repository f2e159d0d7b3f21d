"""Resume state and history of one training run: plain values and tensors, written after each epoch, atomically."""

import hashlib
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ladder.core.artifacts import files
from ladder.core.errors import Terminated

DIGEST = 32  # bytes of sha256 at the start of the file


class Session:
    """Where a training run keeps what it needs to go on after a kill.

    Args:
        name: the stage's name.
        folder: of the resume state (`runs.Run.state`), outside of what DVC deletes.
        history: CSV with a row per epoch, rewritten as the run goes on.
    """

    def __init__(self, name: str, folder: Path, history: str | Path):
        self.name = name
        self._state = folder / "state.pt"
        self._history = history
        self._done = 0  # epochs

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM in the block carries after which epoch that was."""
        try:
            yield
        except (KeyboardInterrupt, Terminated) as stop:
            when = f"after epoch {self._done}" if self._done else "before the end of its first epoch"
            stop.add_note(f"{self.name} stopped {when}")
            raise

    def restore(self, device: torch.device) -> dict[str, Any] | None:
        """The state after the last whole epoch, None on a fresh start. A damaged one is set aside, in one line."""
        try:
            content = self._content()
        except FileNotFoundError:
            return None
        except (ValueError, IsADirectoryError) as error:
            print(f"{self.name}: the resume state is damaged ({error}) and was set aside: training starts anew")
            self._set_aside()
            return None
        state = torch.load(content, map_location=device, weights_only=True)
        self._done = len(state["history"])
        print(f"{self.name}: resuming after epoch {self._done}", flush=True)
        return state

    def epoch_done(self, state: dict[str, Any]) -> None:
        """Save the state, then show its history."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()  # not copied: it may be several times a network's weights
        files.write_bytes(self._state, self._digest(content), content)
        self.write_history(state["history"])
        self._done = len(state["history"])

    def write_history(self, rows: list[dict[str, float]]) -> None:
        files.write_csv(self._history, pd.DataFrame(rows))

    def _content(self) -> io.BytesIO:
        with self._state.open("rb") as file:
            digest, content = file.read(DIGEST), file.read()
        if self._digest(content) != digest:
            raise ValueError("its digest is another, or it is of another run")
        return io.BytesIO(content)

    def _digest(self, content: bytes | memoryview) -> bytes:
        digest = hashlib.sha256(self._state.parent.name.encode())
        digest.update(content)
        return digest.digest()

    def _set_aside(self) -> None:
        aside = self._state.with_suffix(".damaged")
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # another process of the same training was first
            self._state.rename(aside)
