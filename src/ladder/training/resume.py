"""Resume state and history of one training run: plain values and tensors, written after each epoch, atomically."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ladder.core.artifacts import files


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

    def restore(self, device: torch.device) -> dict[str, Any] | None:
        """The state after the last whole epoch, None on a fresh start."""
        if not self._state.exists():
            return None
        state = torch.load(self._state, map_location=device, weights_only=True)
        print(f"{self.name}: resuming after epoch {len(state['history'])}", flush=True)
        return state

    def epoch_done(self, state: dict[str, Any]) -> None:
        """Save the state, then show its history."""
        with files.atomic(self._state) as temporary:
            torch.save(state, temporary)
        self.write_history(state["history"])

    def write_history(self, rows: list[dict[str, float]]) -> None:
        files.write_csv(self._history, pd.DataFrame(rows))
