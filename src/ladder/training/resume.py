"""Resume state and history of one training run: plain values and tensors, written after each epoch, atomically."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ladder.core import states
from ladder.core.artifacts import files
from ladder.core.errors import Terminated


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
        damaged = f"{self.name}: the resume state is damaged ({{}}) and was set aside: training starts anew"
        content = states.read(self._state, damaged)
        if content is None:
            return None
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        self._done = len(state["history"])
        print(f"{self.name}: resuming after epoch {self._done}", flush=True)
        return state

    def epoch_done(self, state: dict[str, Any]) -> None:
        """Save the state, then show its history."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        states.write(self._state, buffer.getbuffer())  # not copied: it may be several times a network's weights
        self.write_history(state["history"])
        self._done = len(state["history"])

    def write_history(self, rows: list[dict[str, float]]) -> None:
        files.write_csv(self._history, pd.DataFrame(rows))
