"""`dvc repro` with several stages at a time: python -m ladder.running.repro [--jobs N] [TARGET...]

A thin layer over DVC, for any pipeline: DVC says which stages are stale and what they wait for, and runs each one (`dvc
repro --single-item`). This starts them, as many at a time as the machine carries, and stops all if one fails.
"""

import argparse
import contextlib
import fcntl
import os
import queue
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from ladder.core.errors import GOES_ON, InputError, exit_on_input_error
from ladder.running import machine, noted, plan
from ladder.running.choice import next_batch
from ladder.running.display import Display
from ladder.running.job import Job
from ladder.running.plan import Step

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal that asks for the end; its number is the argument."""


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(prog="python -m ladder.running.repro", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="stages to make, with what they need (all)")
    parser.add_argument("--jobs", type=_number, metavar="N", help="stages at a time (what the machine carries)")
    asked = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    try:
        repro(asked.targets, asked.jobs)
    except Interrupted as interrupted:
        print(f"repro: stopped; {GOES_ON}", file=sys.stderr)
        sys.exit(128 + interrupted.args[0])


def repro(targets: Sequence[str] = (), jobs: int | None = None) -> None:
    """Make what is stale, up to `jobs` stages at a time (None: what this machine carries).

    Raises: InputError if DVC refuses the targets, or naming the stage that failed, when all others have been stopped.
    """
    try:
        repo = Repo(_wait_for_lock=True)
    except DvcException as error:
        raise InputError(str(error)) from None
    with repo, _only_one(Path(repo.tmp_dir)) as held:
        noted.forget_ended(repo)
        steps, looked_at = plan.steps(repo, targets)
        if not steps:
            print("Data and pipelines are up to date.")  # as DVC says it
            return
        devices = machine.gpus()
        jobs = jobs or machine.default_jobs(devices)
        print(f"repro: {len(steps)} of {looked_at} stages are stale or may become so; {jobs} at a time")
        _run(steps, jobs, devices if len(devices) > 1 else [], repo.lock.lockfile, held)


def _run(steps: list[Step], jobs: int, devices: list[str], lock: str, held: int) -> None:
    sorter = TopologicalSorter({step.name: step.needs for step in steps})
    sorter.prepare()
    waiting, running, lines = list(steps), list[Job](), queue.Queue[str]()
    released, free_gb = set[str](), machine.free_memory_gb()
    try:
        with Display() as display:
            while sorter.is_active():
                released.update(sorter.get_ready())
                ready = [step for step in waiting if step.name in released]
                while batch := next_batch(ready, [job.batch for job in running], jobs, free_gb):
                    ready = [step for step in ready if step not in batch]
                    waiting = [step for step in waiting if step not in batch]
                    running.append(Job(batch, lines, _environment(batch[0], devices, running), lock, held))
                job = _wait(running, lines, display, len(waiting))
                if job.code():
                    raise InputError(_failure(job, [other for other in running if other is not job]))
                if job.not_kept:
                    raise InputError(_not_kept(job.not_kept))
                seconds, names = job.seconds, job.done()
                sorter.done(*names)
                display.line(f"repro: {', '.join(names)} done in {seconds:.0f} s; {_left(running, len(waiting))}")
                if not job.left:
                    running.remove(job)
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the end is near, and is waited for
        for job in running:
            job.stop()
        for job in running:
            job.wait()
        for line in _left_in(lines):
            if line.endswith(GOES_ON):  # where it stopped; what DVC says of it besides is no news
                print(line)


def _wait(running: list[Job], lines: queue.Queue, display: Display, waiting: int) -> Job:
    """Show lines until a stage of one of the jobs has ended, its last lines included."""
    while True:
        news = next((job for job in running if job.has_news()), None)
        with contextlib.suppress(queue.Empty):
            display.line(lines.get(timeout=0 if news else 0.1))
            for line in _left_in(lines):
                display.line(line)
        if news:
            return news
        working = ", ".join(f"{job.now} {job.seconds:.0f} s" for job in running)
        display.status(f"{working} | {_left(running, waiting)}")


def _left_in(lines: queue.Queue) -> Iterator[str]:
    with contextlib.suppress(queue.Empty):
        while True:
            yield lines.get_nowait()


def _left(running: list[Job], waiting: int) -> str:
    return f"{sum(job.left for job in running) + waiting} left"


def _failure(failed: Job, others: list[Job]) -> str:
    stopped = f"; stopped with it: {', '.join(job.now for job in others)}" if others else ""
    return f"{failed.now} failed: see its lines above{stopped}. The same command goes on from here"


def _not_kept(names: list[str]) -> str:
    cache = Path(Repo().cache.local.path).resolve()
    free = shutil.disk_usage(cache).free / 1e6
    return (
        f"DVC could not write what {', '.join(names)} made into its cache: see its lines above ({cache} has"
        f" {free:,.1f} MB free). Make room, then `dvc commit {' '.join(names)}` keeps it, or it will be made again"
    )


def _environment(step: Step, devices: list[str], running: list[Job]) -> dict[str, str]:
    """One CUDA device each, where there are several."""
    if not devices or step.alone:
        return {}
    used = [job.device for job in running]
    return {"CUDA_VISIBLE_DEVICES": min(devices, key=used.count)}


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[int]:
    """Hold this repository against other runs of this; yields the lock's file, which jobs keep open, too.

    So a run waits for jobs of one that was killed just before, until their guards have ended them.
    """
    with open(folder / "repro.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            print(f"repro: another one, process {file.read() or '?'}, runs in this repository: waiting for its end")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted(number)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    exit_on_input_error(main)
