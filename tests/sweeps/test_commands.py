"""The commands of README's page *Every day* on real experiments of a pipeline that trains nothing."""

import re
import shutil
import sys
from itertools import product

import pytest
import yaml

import pipeline
from imports import ROOT
from pipeline import Pipeline, ran

pytestmark = pytest.mark.slow

RUNGS = ["train_noaug", "train_aug"]
TRAIN = """
import random, sys
from pathlib import Path
import yaml
rung, params = sys.argv[1], yaml.safe_load(open("params.yaml"))
accuracy = 0.7 + 0.1 * (rung == "train_aug" and params["aug"]["enabled"]) + random.Random(params["seed"]).random() / 100
Path("predictions/trained").mkdir(parents=True, exist_ok=True)
Path(f"predictions/trained/{rung}.npz").write_text(str(accuracy))
"""
VOTE = """
from pathlib import Path
found = [float(path.read_text()) for path in Path("predictions/trained").glob("*.npz")]
Path("predictions/voted").mkdir(exist_ok=True)
Path("predictions/voted/ensemble.npz").write_text(str(max(found) + 0.01))
"""
SCORE = """
import json, sys
from pathlib import Path
source, target = sys.argv[1:]
Path("metrics").mkdir(exist_ok=True)
Path(target).write_text(json.dumps({"accuracy": float(Path(source).read_text())}))
"""


def stages() -> dict:
    found = {
        name: {
            "cmd": f"python train.py {name}",
            "deps": ["train.py"],
            "params": ["seed", "aug"] if name == "train_aug" else ["seed"],
            "outs": [f"predictions/trained/{name}.npz"],
        }
        for name in RUNGS
    }
    found["split"] = {"cmd": "mkdir -p data/split && touch data/split/images.npy", "outs": ["data/split"]}
    found["ensemble"] = {
        "cmd": "python vote.py",
        "deps": ["vote.py", "predictions/trained"],
        "outs": ["predictions/voted/ensemble.npz"],
    }
    for name, source in {**{name: "trained" for name in RUNGS}, "ensemble": "voted"}.items():
        answers = f"predictions/{source}/{name}.npz"
        found[f"evaluate_{name}"] = {
            "cmd": f"python score.py {answers} metrics/{name}.json",
            "deps": ["score.py", answers],
            "metrics": [{f"metrics/{name}.json": {"cache": False}}],
        }
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Pipeline:
    """Three seeds with and without augmentation, through the queue; and one experiment that ran one rung only."""
    made = Pipeline(tmp_path_factory.mktemp("swept"))
    for name in ("params.yaml", "ladder.yaml", ".gitignore", ".dvcignore", "tools", "src"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, made.folder / name)
    for name, text in {"train": TRAIN, "vote": VOTE, "score": SCORE}.items():
        (made.folder / f"{name}.py").write_text(text)
    (made.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages()}))
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("dvc", "init", "--quiet")
    made.run("dvc", "repro", "--quiet")
    made.commit("start")
    made.run("dvc", "exp", "run", "-S", "seed=0,1,2", "-S", "aug.enabled=true,false", "--queue")
    status = pipeline.run_the_queue(made, 6)
    assert status.count("Success") == 6, status
    made.run("dvc", "exp", "run", "--name", "one-rung", "-S", "seed=7", "evaluate_train_noaug")
    made.run("git", "checkout", "--quiet", ".")
    return made


def tool(made: Pipeline, name: str, *arguments: str) -> str:
    code = f"PYTHONPATH={made.folder / 'src'}"
    return made.run("env", code, sys.executable, f"tools/{name}.py", *arguments)


def test_one_screen(swept):
    output = tool(swept, "experiments", "train_noaug", "train_aug", "ensemble")
    lines = output.splitlines()
    assert max(map(len, lines)) <= 200
    assert len(lines) == 2 + 1 + 6 + 1
    rows = {line.split()[0]: line.split()[4:] for line in lines[2:]}
    assert len(rows["main"]) == 3
    seed, *accuracies = rows["one-rung"]
    assert seed == "seed=7"
    assert accuracies[0] != "-"
    assert accuracies[1:] == ["-", "-"], "what Git still holds there was made with another seed"


def test_a_sweep_is_summed_up_and_kept(swept):
    output = tool(swept, "sweep", "--out", "docs/seeds", "train_noaug", "train_aug", "ensemble")
    for setting, rung in product(("true", "false"), (*RUNGS, "ensemble")):
        seeds = 4 if (setting, rung) == ("true", "train_noaug") else 3  # with the one of `one-rung`
        assert re.search(rf"\n\| `{rung}` aug.enabled={setting} \| [^|]*\| {seeds} \| ", output)
    assert "| `train_aug` aug.enabled=false against `train_aug` aug.enabled=true | 3 | -10.00 | " in output
    assert output.count("`train_noaug` aug.enabled=false against") == 0, "it reads no augmentation"
    kept = sorted(path.name for path in (swept.folder / "docs/seeds").iterdir())
    assert kept == ["comparisons.csv", "runs.csv", "summary.csv", "sweep.md", "sweep.png"]
    assert (swept.folder / "docs/seeds/sweep.md").read_text() in output


def test_a_commit_without_experiments_says_what_to_do(swept):
    swept.run("git", "commit", "--quiet", "--allow-empty", "--message", "another")
    try:
        code = f"PYTHONPATH={swept.folder / 'src'}"
        output = swept.run("env", code, sys.executable, "tools/sweep.py", check=False)
        assert "0 of 0 experiments of this commit have ended" in output
        assert "dvc exp run -S" in output
        assert "train_aug" in tool(swept, "sweep", "--rev", "HEAD~1", "train_noaug", "train_aug")
    finally:
        swept.run("git", "reset", "--quiet", "--soft", "HEAD~1")


def test_a_clone_that_never_had_the_results_takes_away_what_it_made(swept, tmp_path):
    """dvc.lock names `data/split`, which is nowhere here: without `--force` DVC asks about it, and stops unanswered."""
    swept.run("git", "clone", "--quiet", f"file://{swept.folder}", str(tmp_path / "clone"))
    made = Pipeline(tmp_path / "clone")
    made.run("dvc", "repro", "train_noaug")
    made.run("dvc", "exp", "run", "-S", "seed=8", "train_noaug")
    made.run("git", "checkout", "--quiet", ".")
    made.run("dvc", "exp", "remove", "--all-commits")
    assert "Removed 1 objects from repo cache" in made.run("dvc", "gc", "--all-branches", "--force")
    made.run(
        "dvc", "checkout", "--force", "predictions/trained/train_noaug.npz"
    )  # what the branch needs is still there


def test_what_a_sweep_leaves_is_taken_away(swept):
    """The last test here: it removes the experiments."""
    removed = swept.run("dvc", "queue", "remove", "--all")
    assert len(removed.split()) >= 6
    swept.run("dvc", "exp", "remove", "--all-commits")
    before = sum(path.stat().st_size for path in (swept.folder / ".dvc/cache/files").rglob("*") if path.is_file())
    swept.run("dvc", "gc", "--all-branches", "--force")
    after = sum(path.stat().st_size for path in (swept.folder / ".dvc/cache/files").rglob("*") if path.is_file())
    assert after < before
    assert not ran(swept.run("dvc", "repro"))
