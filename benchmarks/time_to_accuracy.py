"""Minutes from the start of this process to a validation accuracy, with the fixed schedule of a rung's recipe.

    python benchmarks/time_to_accuracy.py cpu train_aug 0.90
    python benchmarks/time_to_accuracy.py cpu train_aug 0.85 ablation.input_size=64 ablation.epochs=2 seed=1

PRESET RUNG TARGET, then params that replace the preset's, as `key=value`: so recipes are screened, too. Trains on
data/split (`make repro TARGETS=split`) with all cores, unless `hardware.threads=` says how many, and looks at no test
image. Prints each epoch's end and validation accuracy, and last one line with what was asked. Writes nothing.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import psutil
from ruamel.yaml import YAML, YAMLError

from ladder import params, presets
from ladder.core import threads
from ladder.core.artifacts import splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.params import Data, Params, Rung
from ladder.params_file import load_yaml
from ladder.pretrained import sources
from ladder.reporting import markdown
from ladder.training import distributed, loop, models
from ladder.training.resume import Session

SPLIT = "data/split"


class Clock(Session):
    """Keeps no resume state, but when each epoch ended and what it reached: rows of `epochs.jsonl` in its folder."""

    def __init__(self, name: str, folder: Path):
        super().__init__(name, folder, folder / "history.csv")
        self.rows = folder / "epochs.jsonl"

    def restore(self, device: object) -> None:
        return None

    def epoch_done(self, state: dict[str, Any]) -> None:
        last = state["history"][-1]
        row = {"epoch": last["epoch"], "ended": time.time(), "accuracy": last["val_accuracy"]}
        with self.rows.open("a") as file:
            file.write(json.dumps(row) + "\n")


def main(preset: str = "", rung: str = "", target: str = "", *changes: str) -> None:
    if not target:
        raise InputError("give PRESET RUNG TARGET, as in: cpu train_aug 0.90")
    goal, p = fraction(target), chosen(preset, changes)
    cfg = p.rung(rung)
    if cfg.distill is not None:
        raise InputError(f"{rung} learns from a teacher, whose training counts too: time another rung")
    threads.limit(p.hardware.threads)
    with tempfile.TemporaryDirectory() as folder:
        if cfg.hardware.processes > 1:
            distributed.run(rung, cfg.hardware.processes, train, rung, cfg, p.data, Path(folder))
        else:
            train(rung, cfg, p.data, Path(folder))
        rows = timed(rung, Path(folder))
    print("\n| epoch | minutes | validation accuracy (%) |\n| ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row['epoch']} | {row['minutes']:.1f} | {markdown.percent(row['accuracy'])} |")
    print(summary(" ".join([preset, rung, *changes]), goal, rows))


def timed(rung: str, folder: Path) -> list[dict[str, Any]]:
    """A row per epoch: `epoch`, `accuracy`, and the `minutes` from this process' start to its end."""
    started = psutil.Process().create_time()
    ended = [json.loads(line) for line in Clock(rung, folder).rows.read_text().splitlines()]
    return [row | {"minutes": (row["ended"] - started) / 60} for row in ended]


def summary(what: str, goal: float, rows: Sequence[dict[str, Any]]) -> str:
    """One line: what was trained, when it reached the goal, and its best epoch."""
    first = next((row for row in rows if row["accuracy"] >= goal), None)
    best = max(rows, key=lambda row: row["accuracy"])
    reached = f"after epoch {first['epoch']}, {first['minutes']:.1f} minutes" if first else "not reached"
    return (
        f"{what}: {markdown.percent(goal)}% of validation {reached}; best {markdown.percent(best['accuracy'])}%"
        f" after epoch {best['epoch']}, {best['minutes']:.1f} minutes"
    )


def train(rung: str, cfg: Rung, data: Data, folder: Path) -> None:
    """Take a rung through its epochs, as one of several processes or alone."""
    split = splits.load(SPLIT)
    if (split.source, len(split.val)) != (data.source, data.val_size or len(split.val)):
        raise InputError(
            f"{SPLIT} holds {split.source} with {len(split.val):,} validation images, expected {data.source} with"
            f" {data.val_size}: `python -m ladder.presets apply` the preset, then `make repro TARGETS=split`"
        )
    pretrained = None if cfg.recipe.weights == "scratch" else sources.find(cfg.recipe.arch)
    model = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed, cfg.se, pretrained)
    loop.advance(model, split.train, split.val, cfg, Clock(rung, folder))


def chosen(preset: str, changes: Sequence[str]) -> Params:
    """params.yaml with a preset, all cores and what the command line says merged in, in this order."""
    values = presets.merge(load_yaml(params.PATH), presets.load(preset))
    values = presets.merge(values, {"hardware": {"threads": joblib.cpu_count()}})
    for change in changes:
        values = presets.merge(values, override(change))
    return params.validate(values, f"{params.PATH} with preset {preset} and {' '.join(changes) or 'nothing else'}")


def override(change: str) -> dict[str, Any]:
    """`a.b=1` -> {"a": {"b": 1}}. Raises InputError for what is no key with a value in YAML."""
    key, equals, text = change.partition("=")
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError:
        equals = ""
    if not equals:
        raise InputError(f"{change!r} is no key=value, as in ablation.lr=0.001")
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def fraction(text: str) -> float:
    """An accuracy. Raises InputError unless it lies between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise InputError(f"TARGET must be a fraction of the validation images such as 0.90, not {text}")
    return value


if __name__ == "__main__":
    exit_on_input_error(main)
