"""One `dvc repro` of one or more stages in a process of its own, its lines named."""

import os
import queue
import re
import subprocess
import sys
import threading
import time

from ladder.running import guard
from ladder.running.choice import Batch

ADVICE = (
    "To track the changes with git, run:",
    "\tgit add ",
    "To enable auto staging, run:",
    "\tdvc config core.autostage",
)


class Job:
    """Starts at once. Its lines come to `lines` as text; it ends by itself, by `stop`, or when this process dies."""

    def __init__(self, batch: Batch, lines: queue.Queue, environment: dict[str, str], lock: str, keep_open: int):
        """
        Args:
            environment: variables that the stages get besides those of this process.
            lock: the path of the DVC repository's lock.
            keep_open: a file that stays open until the last process of this job has ended.
        """
        self.batch, self.device = batch, environment.get("CUDA_VISIBLE_DEVICES")
        self.not_kept: list[
            str
        ] = []  # stages whose results did not get into DVC's cache, of which DVC makes no failure
        self._at = self._told = 0  # places in the batch: of the stage at work, of the first that `done` has not told of
        self._since = time.monotonic()
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, lock, *command, *(step.name for step in batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
            start_new_session=True,  # Ctrl-C reaches the scheduler alone, which stops its jobs in order
            pass_fds=[keep_open],
        )
        self._lines = lines
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def now(self) -> str:
        """The stage at work."""
        return self.batch[self._at].name

    @property
    def seconds(self) -> float:
        """Since the last stage of this job was told to be done, or since its start."""
        return time.monotonic() - self._since

    @property
    def left(self) -> int:
        return len(self.batch) - self._told

    def has_news(self) -> bool:
        return self._at > self._told or self.code() is not None

    def done(self) -> list[str]:
        """The stages that have ended well since the last call. DVC has recorded one before it begins the next."""
        end = len(self.batch) if self.code() == 0 else self._at
        names = [step.name for step in self.batch[self._told : end]]
        self._told, self._since = end, time.monotonic()
        return names

    def code(self) -> int | None:
        """The exit code, once it has ended and its lines are in the queue."""
        code = self._process.poll()
        if code is not None:
            self._read_to_the_end()
        return code

    def stop(self) -> None:
        """Let the guard end it; returns at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> None:
        """Until it has ended and its lines are in the queue."""
        self._process.wait()
        self._read_to_the_end()

    def _read_to_the_end(self) -> None:
        self._reader.join(timeout=1)  # a process that a stage left behind may hold the pipe open

    def _read(self) -> None:
        places = {step.name: place for place, step in enumerate(self.batch)}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            named = re.match(r"(?:Running s|S)tage '([^']+)'", line)
            if named and named[1] in places:
                self._at = max(self._at, places[named[1]])
            if line.startswith("ERROR: failed to transfer") and self.now not in self.not_kept:
                self.not_kept.append(self.now)
            if line.strip() and not line.startswith(ADVICE):  # which DVC repeats after each stage
                self._lines.put(f"{self.now} | {line.rstrip()}")
