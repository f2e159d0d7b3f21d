"""Progress of a training run: a bar on a terminal, and one plain line per epoch everywhere."""

import sys
import time

from torch import Tensor
from tqdm import tqdm


def say(line: str) -> None:
    """A line beside the bar of a run in progress."""
    tqdm.write(line)
    sys.stdout.flush()


class Progress:
    """A bar with images/s, loss and time left in the whole run, drawn where stderr is a terminal.

    Args:
        images: in one epoch.
        done: epochs that an earlier, interrupted run finished.
        shown: False for all but one of several processes.
    """

    def __init__(self, name: str, epochs: int, images: int, done: int, shown: bool = True):
        self._name, self._epochs, self._images = name, epochs, images
        self._first = self._done = done
        self._shown = shown
        self._start = time.perf_counter()
        self._bar = tqdm(
            desc=name,
            total=epochs * images,
            initial=done * images,
            unit=" images",
            leave=False,
            disable=not shown or not sys.stderr.isatty(),
        )

    def step(self, images: int, loss: Tensor) -> None:
        """One optimizer step is done. `loss` is read, which waits for the device, only when the bar is redrawn."""
        if self._bar.update(images):
            self._bar.set_postfix(loss=f"{float(loss):.3f}", refresh=False)

    def epoch_done(self, scores: dict[str, float]) -> None:
        """One line: losses, validation accuracy, images/s with validation included, time left in the run."""
        self._done += 1
        if not self._shown:
            return
        seconds = time.perf_counter() - self._start
        epochs = self._done - self._first
        left = tqdm.format_interval(seconds / epochs * (self._epochs - self._done))
        say(
            f"{self._name} epoch {self._done}/{self._epochs}  train loss {scores['train_loss']:.4f}"
            f"  val loss {scores['val_loss']:.4f}  val accuracy {scores['val_accuracy']:.4f}"
            f"  {epochs * self._images / seconds:,.0f} images/s  {left} left"
        )

    def close(self) -> None:
        self._bar.close()
