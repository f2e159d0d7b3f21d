"""Measure the most memory that a rung's training holds here: `PYTHONPATH=src python benchmarks/memory.py cpu train_se`.

A few steps and predictions on made-up images, as many and as large as CIFAR-10's. Printed are the resident pages that
have no file behind them (RssAnon of /proc/self/status: nobody else can use them) and those that have (libraries, and
the split, which all processes that map it share). Linux only; nothing is written.
"""

import argparse
import multiprocessing
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML

from ladder import params, presets
from ladder.core import threads
from ladder.core.artifacts import splits
from ladder.core.types import Part, Split
from ladder.params_file import load_yaml
from ladder.training import devices, loop, models
from ladder.training.resume import Session

SIZES = {"train": 40_000, "val": 10_000, "test": 10_000}  # images
CLASSES = tuple("abcdefghij")
STEPS, PREDICTED = 3, 500  # an epoch: steps; images
EPOCHS = 2  # the second one meets the memory that the first has left
INTERVAL = 0.002  # seconds between two looks
PAGES = re.compile(r"Rss(Anon|File|Shmem):\s+(\d+) kB")


class Peaks(threading.Thread):
    """The most memory that this process holds in each phase, in their order, in MB, by what is behind the pages."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.phases: list[tuple[str, dict[str, float]]] = []
        self.enter("start")

    def run(self) -> None:
        while True:
            _, peak = self.phases[-1]
            for kind, kb in PAGES.findall(Path("/proc/self/status").read_text()):
                peak[kind] = max(peak.get(kind, 0.0), int(kb) / 1000)
            time.sleep(INTERVAL)

    def enter(self, phase: str) -> None:
        self.phases.append((phase, {}))

    def during(self, phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with each call of which the phase begins."""

        def measured(*arguments: Any, **options: Any) -> Any:
            self.enter(phase)
            return work(*arguments, **options)

        return measured


def make_split(folder: str) -> None:
    draw = np.random.default_rng(0)
    parts = {
        name: Part(draw.integers(0, 256, (size, 3, 32, 32), np.uint8), draw.integers(0, 10, size), np.arange(size))
        for name, size in SIZES.items()
    }
    splits.save(folder, Split(**parts, classes=CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3, source="", digest=""))


def rung(preset: str, name: str, changes: dict[str, Any]) -> params.Rung:
    """A preset's rung with some of its recipe changed, from scratch and with few epochs."""
    values = presets.merge(load_yaml(params.PATH), presets.load(preset))
    values["data"] |= {"image_size": 32}
    group = params.validate(values).ladder.rungs[name].recipe
    few = {"weights": "scratch", "epochs": EPOCHS, "warmup_epochs": 0.0}
    return params.validate(presets.merge(values, {group: few | changes})).rung(name)


def train(cfg: params.Rung, folder: str, peaks: Peaks) -> None:
    """What the stage does, with less of each part."""
    split = peaks.during("read", splits.load)(folder)
    peaks.enter("build")
    devices.select(cfg.hardware)
    model = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed, cfg.se)
    session = Session("memory", Path(folder), f"{folder}/history.csv")
    session.epoch_done = peaks.during("keep", session.epoch_done)  # type: ignore[method-assign]
    loop.train_epoch = peaks.during("train", loop.train_epoch)
    loop.predict = peaks.during("predict", loop.predict)
    some, few = slice(STEPS * cfg.recipe.batch_size), slice(PREDICTED)
    loop.fit(model, split.train.take(some), split.val.take(few), cfg, session)
    loop.predict(model, split.test.take(few), cfg.hardware.predict_batch_size)
    peaks.enter("end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("rung")
    parser.add_argument("changes", nargs="*", help="of the recipe, for example input_size=128 stem=null batch_size=32")
    arguments = parser.parse_args()
    changes = {
        key: YAML(typ="safe").load(value) for key, _, value in (change.partition("=") for change in arguments.changes)
    }
    cfg = rung(arguments.preset, arguments.rung, changes)
    threads.limit(cfg.hardware.threads)
    with tempfile.TemporaryDirectory() as folder:
        making = multiprocessing.get_context("spawn").Process(target=make_split, args=(folder,))
        making.start()
        making.join()
        peaks = Peaks()
        peaks.start()
        time.sleep(10 * INTERVAL)
        train(cfg, folder, peaks)
    recipe = cfg.recipe
    print(
        f"{recipe.arch}, {recipe.input_size} px, batch {recipe.batch_size}, {recipe.optimizer},"
        f" {torch.get_num_threads()} threads, torch {torch.__version__}; peak of each phase:"
    )
    for phase, peak in peaks.phases[:-1]:
        file = peak["File"] + peak["Shmem"]
        print(f"  {phase:8}{peak['Anon']:8,.0f} MB {file:8,.0f} MB with a file behind")


if __name__ == "__main__":
    main()
