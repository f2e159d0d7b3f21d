"""What stands in benchmarks/ works and says what it found; how long it took is no matter here."""

import os
import re
import runpy
import subprocess
import sys
import time

import pytest
import torch

from imports import ROOT, SRC
from ladder.core.artifacts import splits
from ladder.core.errors import InputError
from ladder.training import loop

TIMER = ROOT / "benchmarks/time_to_accuracy.py"
TUNE = ROOT / "benchmarks/tune.py"
SMALL = ("data.val_size=12", "data.test_size=15", "hardware.threads=1")


@pytest.fixture
def timed(workspace, split, capsys):
    """A function that runs the tool on 36 images and gives what it prints."""
    splits.save("data/split", split)

    def run(*arguments: str) -> str:
        runpy.run_path(str(TIMER))["main"](*arguments)
        return capsys.readouterr().out

    return run


def files(folder) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_every_epoch_and_the_first_that_reaches_the_target(timed, workspace):
    before = files(workspace)
    text = timed("tiny", "train_aug", "0.01", *SMALL, "ablation.epochs=3", "seed=1")
    rows = re.findall(r"^\| (\d) \| ([\d.]+) \| ([\d.]+) \|$", text, flags=re.MULTILINE)
    assert [epoch for epoch, _, _ in rows] == ["1", "2", "3"]
    minutes = [float(each) for _, each, _ in rows]
    assert minutes == sorted(minutes)
    best = max((float(accuracy), -int(epoch)) for epoch, _, accuracy in rows)
    asked = f"tiny train_aug {' '.join(SMALL)} ablation.epochs=3 seed=1: "
    assert re.fullmatch(
        re.escape(asked) + r"1\.00% of validation after epoch 1, [\d.]+ minutes;"
        rf" best {best[0]:.2f}% after epoch {-best[1]}, [\d.]+ minutes",
        text.splitlines()[-1],
    )
    assert files(workspace) == before, "nothing is left"


def test_a_target_that_is_not_reached_is_said(timed):
    text = timed("tiny", "train_se", "1.0", *SMALL, "resnet.lr=1e-6", "resnet.epochs=1", "resnet.warmup_epochs=0.0")
    assert "100.00% of validation not reached; best " in text.splitlines()[-1]


def test_pretrained_rungs_start_from_their_weights(timed, workspace):
    (workspace / "assets").symlink_to(ROOT / "assets")
    changes = ("baseline.arch=resnet18", "baseline.weights=imagenet", "baseline.stem=null", "baseline.epochs=1")
    assert "train_baseline epoch 1/1" in timed(
        "tiny", "train_baseline", "0.5", *SMALL, *changes, "baseline.input_size=32"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give PRESET RUNG TARGET"),
        (("tiny", "train_aug"), "give PRESET RUNG TARGET"),
        (("tinny", "train_aug", "0.9"), "did you mean tiny"),
        (("tiny", "train_ag", "0.9"), "did you mean train_aug"),
        (("tiny", "train_aug", "90"), "must be a fraction of the validation images such as 0.90, not 90"),
        (("tiny", "train_aug", "much"), "not much"),
        (("tiny", "train_aug", "0.9", "ablation.lr"), "'ablation.lr' is no key=value"),
        (("tiny", "train_aug", "0.9", "ablation.lr={"), "is no key=value"),
        (("tiny", "train_aug", "0.9", "ablation.rl=1"), "no key ablation.rl"),
        (("tiny", "train_aug", "0.9", "ablation.epochs=0"), "ablation.epochs: "),
        (("tiny", "distill", "0.9"), "distill learns from a teacher"),
        (("tiny", "train_aug", "0.9"), r"data/split holds digits with 12 validation images, expected digits with 500"),
    ],
)
def test_what_cannot_be_timed_is_said_in_one_message(timed, arguments, message):
    with pytest.raises(InputError, match=message):
        timed(*arguments)


@pytest.fixture
def tried(timed, monkeypatch, capsys):
    """A function that tries techniques on the same images and gives the last line without the minutes."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def run(*arguments: str) -> str:
        runpy.run_path(str(ROOT / "benchmarks/candidates.py"))["main"]("tiny", *arguments)
        return re.sub(r", [\d.]+ minutes$", "", capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.mark.parametrize("technique", ["head_lr=3", "ema=0.5", "mixup=1", "mirrored=1"])
def test_a_technique_is_tried_and_leaves_the_loop_as_it_was(tried, monkeypatch, technique):
    before = vars(loop).copy()
    seen = []
    monkeypatch.setattr(loop.Progress, "epoch_done", lambda _, scores: seen.append(scores))
    changes = (*SMALL, "ablation.epochs=2", "ablation.lr=0.01", "ablation.batch_size=12")
    assert tried("train_aug", technique, *changes).startswith(
        f"tiny train_aug {technique} {' '.join(SMALL)} ablation.e"
    )
    tried("train_aug", *changes)
    assert len(seen) == 4
    with_it, without = seen[1], seen[3]
    assert with_it["val_loss"] != without["val_loss"]
    assert (with_it["train_loss"] == without["train_loss"]) == technique.startswith(("ema", "mirrored"))
    assert vars(loop) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give PRESET RUNG and a technique"),
        (("train_aug", "ema=much"), "ema must be a number above 0, not 'much'"),
        (("train_aug", "emma=0.9"), "no key emma"),
    ],
)
def test_what_cannot_be_tried_is_said(tried, arguments, message):
    with pytest.raises(InputError, match=message):
        tried(*arguments)


@pytest.mark.slow
def test_several_processes_share_a_training(timed):
    command = [sys.executable, TIMER, "tiny", "train_aug", "0.01", *SMALL, "hardware.processes=2"]
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1.00% of validation after epoch 1, " in done.stdout.splitlines()[-1]
    assert done.stdout.count("train_aug epoch 2/2") == 1


@pytest.mark.slow
def test_dense_networks_reach_a_share_of_the_peak_that_is_said(workspace, monkeypatch, capsys):
    tool = runpy.run_path(str(TUNE))
    for name, value in {"SIDES": {"cpu": (32,)}, "ROUNDS": 1, "STEPS": 1}.items():
        monkeypatch.setitem(tool["main"].__globals__, name, value)
    tool["main"]()
    text = capsys.readouterr().out
    assert len(re.findall(r"torch\.(?:float32|bfloat16) +[\d,]+ GFLOP/s multiplying matrices", text)) == 2
    shares = {
        block.split(":")[0]: len(re.findall(r"images/s +\d+% of the peak$", block, flags=re.MULTILINE))
        for block in re.split(r"^(?=\w+: test_)", text, flags=re.MULTILINE)[1:]
    }
    assert shares == {"baseline": 2, "ablation": 2, "effnet": 0}, "those with depthwise convolutions have none"


def test_a_peak_is_what_the_largest_product_of_matrices_reached(monkeypatch):
    tool = runpy.run_path(str(TUNE))
    ticks = iter([0.0, 2.0, 10.0, 11.0, 20.0, 24.0])
    monkeypatch.setitem(tool["peak"].__globals__, "SIDES", {"cpu": (10,)})
    monkeypatch.setitem(tool["peak"].__globals__, "ROUNDS", 3)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert tool["peak"](torch.float32, torch.device("cpu")) == 2 * 10**3 / 1.0
