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
        self.batch, self.started, self.stopping = batch, time.monotonic(), False
        self.device = environment.get("CUDA_VISIBLE_DEVICES")
        self.now = batch[0].name  # which of its stages is at work
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
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def code(self) -> int | None:
        """The exit code, once it has ended and its lines are in the queue."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(timeout=1)  # a process that a stage left behind may hold the pipe open
        return code

    def stop(self) -> None:
        """Let the guard end it; returns at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> None:
        self._process.wait()

    def _read(self) -> None:
        names = {step.name for step in self.batch}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            named = re.match(r"(?:Running s|S)tage '([^']+)'", line)
            if named and named[1] in names:
                self.now = named[1]
            if line.strip() and not line.startswith(ADVICE):  # which DVC repeats after each stage
                self._lines.put(f"{self.now} | {line.rstrip()}")
