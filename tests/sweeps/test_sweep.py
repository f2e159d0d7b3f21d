"""From experiments to a table of runs, to what is compared, to text and files; one screen of experiments."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from imports import ROOT
from ladder.core.errors import InputError
from ladder.sweeps import arguments, keep, screen, statistics, sweep
from ladder.sweeps.experiments import Experiment
from made import LADDER

RUNGS = [name for name, model in LADDER.ladder.items() if model.made != "deployed"]
KEYS = {"arch": "resnet18", "weights": "imagenet", "input_size": 64, "epochs": 2}
RECIPES = {f"{group}.{key}": value for group in LADDER.recipes for key, value in KEYS.items()}
SHORT = "resnet18, imagenet, 64 px, 2 epochs"
START = RECIPES | {"seed": 0, "aug.enabled": True, "data.source": "digits"}
COMMIT = Experiment("main", "2026-11-25T18:26:13", "success", START, {"train_aug": 0.9})


def made(name: str, seed: int, accuracy: dict[str, float], state: str = "success", **more) -> Experiment:
    params = START | {"seed": seed} | {key.replace("_", "."): value for key, value in more.items()}
    return Experiment(name, "2026-11-25T18:27:00" if state == "success" else "", state, params, accuracy)


SEEDS = [  # the newest first
    made("three", 2, {"train_noaug": 0.73, "train_aug": 0.81}),
    made("two", 1, {"train_noaug": 0.71, "train_aug": 0.79, "ensemble": 0.9}),
    made("one", 0, {"train_noaug": 0.70, "train_aug": 0.80}),
    made("waiting", 3, {}, "queued"),
    made("broken", 4, {}, "failed"),
]


def test_runs_are_those_that_ended_by_rung_and_seed():
    table = sweep.runs(SEEDS, RUNGS, LADDER)
    assert list(table.columns) == ["setting", "rung", "recipe", "source", "seed", "accuracy"]
    assert table.to_numpy().tolist() == [
        ["", "train_noaug", SHORT, "digits", 0, 0.70],
        ["", "train_noaug", SHORT, "digits", 1, 0.71],
        ["", "train_noaug", SHORT, "digits", 2, 0.73],
        ["", "train_aug", SHORT, "digits", 0, 0.80],
        ["", "train_aug", SHORT, "digits", 1, 0.79],
        ["", "train_aug", SHORT, "digits", 2, 0.81],
        ["", "ensemble", "", "digits", 1, 0.9],
    ]


def test_a_setting_is_what_differs_besides_the_seed():
    without = [made(f"w{seed}", seed, {"train_aug": 0.7 + 0.01 * seed}, aug_enabled=False) for seed in (1, 0)]
    table = sweep.runs([*without, *SEEDS], ["train_aug"], LADDER)
    assert list(table["setting"].unique()) == ["aug.enabled=true", "aug.enabled=false"]  # in the order they were made
    pairs = sweep.pairs(table, LADDER)
    assert pairs == [(("aug.enabled=false", "train_aug"), ("aug.enabled=true", "train_aug"))]
    row = statistics.compare(table, pairs, 0.95).iloc[0]
    assert (row["seeds"], row["difference"]) == (2, pytest.approx(-0.09))


def test_what_a_setting_does_not_touch_is_not_compared_with_itself():
    without = [made(f"w{each.name}", each.params["seed"], each.accuracy, aug_enabled=False) for each in SEEDS[:3]]
    assert {first[0] for first, _ in sweep.pairs(sweep.runs([*without, *SEEDS], RUNGS, LADDER), LADDER)} == {
        "aug.enabled=true",
        "aug.enabled=false",
    }
    assert all(
        first[0] == second[0] for first, second in sweep.pairs(sweep.runs([*without, *SEEDS], RUNGS, LADDER), LADDER)
    )


def test_rungs_of_one_recipe_are_compared_and_two_that_are_named():
    every = [made(f"e{seed}", seed, dict.fromkeys(LADDER.ladder, 0.5 + seed / 10)) for seed in (0, 1)]
    steps = {
        (first[1], second[1]) for first, second in sweep.pairs(sweep.runs(every, list(LADDER.ladder), LADDER), LADDER)
    }
    assert steps == {
        ("train_aug", "train_noaug"),
        ("train_se", "train_resnet"),
        ("distill", "train_student"),
        ("distill_static", "distill_float"),
        ("train_resnet_static", "train_resnet_float"),
    }
    named = sweep.runs(every, ["train_effnet", "ensemble"], LADDER)
    assert sweep.pairs(named, LADDER) == [(("", "ensemble"), ("", "train_effnet"))]


def test_experiments_that_are_alike_count_once_and_contradicting_ones_are_named():
    again = made("again", 0, {"train_noaug": 0.70, "train_aug": 0.80})
    assert sweep.runs([again, *SEEDS], RUNGS, LADDER).equals(sweep.runs(SEEDS, RUNGS, LADDER))
    with pytest.raises(InputError, match="one and other have the same params and other results for train_aug"):
        sweep.runs([made("other", 0, {"train_aug": 0.6}), *SEEDS], RUNGS, LADDER)


@pytest.mark.parametrize("experiments", [[], SEEDS[2:], [SEEDS[1]]])
def test_a_sweep_needs_two_seeds(experiments):
    with pytest.raises(InputError, match=r"none of train_aug has two seeds: dvc exp run -S 'seed=0,1,2,3,4' --queue"):
        sweep.runs(experiments, ["train_aug"], LADDER)


def test_text_and_files(tmp_path):
    runs = sweep.runs(SEEDS, RUNGS, LADDER)
    summary = statistics.summary(runs, 0.95)
    compared = statistics.compare(runs, sweep.pairs(runs, LADDER), 0.95)
    text = keep.text(summary, compared, ["digits"], 0.95)
    assert f"| `train_aug` | {SHORT} | 3 | 80.00 | 1.00 | 77.52 to 82.48 |" in text
    assert "| `ensemble` |  | 1 | 90.00 |  |  |" in text
    assert "| `train_aug` against `train_noaug` | 3 | +8.67 | " in text
    assert "Images: scikit-learn's handwritten digits." in text

    alike = runs.assign(accuracy=0.9867)
    compared_alike = statistics.compare(alike, sweep.pairs(runs, LADDER), 0.95)
    without = keep.text(statistics.summary(alike, 0.95), compared_alike, ["digits", "cifar10"], 0.95)
    assert f"| `train_aug` | {SHORT} | 3 | 98.67 | 0.00 |  |" in without
    assert "| `train_aug` against `train_noaug` | 3 | +0.00 |  | 1.000 | alike on every seed |" in without
    assert "Images: scikit-learn's handwritten digits; CIFAR-10 (the official archive)." in without

    paths = keep.write(tmp_path / "kept", runs, summary, compared, 0.95)
    assert sorted(paths) == sorted((tmp_path / "kept").iterdir())
    assert (tmp_path / "kept/sweep.md").read_text() == text
    assert (tmp_path / "kept/sweep.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(tmp_path / "kept/runs.csv")) == len(runs)


def test_a_screen_holds_nine_models_in_200_columns():
    changed = {f"a.group.param{number}": number for number in range(30)}
    many = Experiment("n" * 20, COMMIT.created, "success", COMMIT.params | changed, dict.fromkeys(RUNGS, 1.0))
    text = screen.text(COMMIT, [many, *SEEDS], RUNGS)
    assert len(RUNGS) == screen.AT_MOST
    assert max(map(len, text.splitlines())) <= 200
    rows = {line.split()[0]: line for line in text.splitlines()}
    assert rows["two"].split()[4:] == ["seed=1", "-", "71.00", "79.00", "-", "-", "-", "-", "-", "90.00"]
    assert rows["waiting"].split()[1] == "queued"
    assert rows["broken"].split()[1] == "failed"
    with pytest.raises(InputError, match="10 models do not fit on one screen: name at most 9"):
        screen.text(COMMIT, [], [*RUNGS, "distill_static"])


def test_what_is_asked_for():
    assert arguments.read([], LADDER).models == RUNGS
    asked = arguments.read(["train_se", "--rev", "main", "--out", "kept"], LADDER, keeps=True)
    assert (asked.models, asked.rev, Path(asked.out)) == (["train_se"], "main", Path("kept"))
    with pytest.raises(InputError, match=r"train_es is no model of ladder\.yaml; did you mean train_se"):
        arguments.read(["train_es"], LADDER)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (["experiments"], "python tools/experiments.py"),
        (["experiments", "RUNGS=train_se distill", "REV=v1"], "python tools/experiments.py train_se distill --rev v1"),
        (["sweep", "RUNGS=train_se", "OUT=docs/seeds"], "python tools/sweep.py train_se --out docs/seeds"),
    ],
)
def test_make_passes_on_what_it_is_given(asked, command):
    printed = subprocess.run(["make", "--dry-run", *asked], cwd=ROOT, capture_output=True, text=True).stdout
    assert command.split() in [line.split() for line in printed.splitlines()]
