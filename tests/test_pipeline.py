"""The pipeline as people use it: repro, experiments, kills, clones. In a temporary Git and DVC repository."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

import pipeline
from dvcfile import STAGES, downstream, group, outs, script
from pipeline import Pipeline, ran, wait_for_epochs

MEASURED = downstream({"benchmark"})  # whose bytes a clock decides


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Pipeline:
    """The whole pipeline, run once, its results committed."""
    made = pipeline.create(tmp_path_factory.mktemp("whole"))
    output = made.run("dvc", "repro")
    assert ran(output) == set(STAGES)
    made.commit("results")
    return made


@pytest.mark.slow
def test_a_second_repro_does_nothing_and_the_tree_is_clean(whole):
    output = whole.run("dvc", "repro")
    assert not ran(output)
    assert "up to date" in output
    assert whole.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_without_augmentation_exactly_those_stages_rerun_and_the_two_rungs_are_one(whole):
    reading = {name for name, stage in STAGES.items() if "aug" in stage.get("params", [])}
    trained = {"train_aug", "train_resnet", "train_se", "train_effnet", "train_student", "distill"}
    assert reading == trained | {"report"}, "the report says in words what augmentation did"
    before = whole.lock()
    output = whole.run("dvc", "exp", "run", "--name", "noaug", "-S", "aug.enabled=false")
    assert ran(output) == downstream(reading)
    weights = [whole.folder / f"models/{name}/model.safetensors" for name in ("train_aug", "train_noaug")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    history = [whole.folder / f"plots/{name}/history.csv" for name in ("train_aug", "train_noaug")]
    assert history[0].read_bytes() == history[1].read_bytes()
    assert "noaug" in whole.run("dvc", "exp", "show", "--csv")

    whole.run("git", "checkout", "--quiet", ".")
    back = whole.run("dvc", "repro")
    again = {name for name in ran(back) if script(STAGES[name])[len("stages/") :].startswith(("train", "distill"))}
    assert not again, "toggled back, training is restored from the run cache"
    changed = whole.run("git", "diff", "--name-only").split()
    measured = {"dvc.lock", *(out for name in MEASURED for out in outs(STAGES[name]))}
    assert set(changed) <= measured, "all is as it was, but what a clock measures"
    assert {name for name, stage in whole.lock().items() if stage != before[name]} <= MEASURED


@pytest.mark.slow
def test_a_change_to_a_score_retrains_nothing(whole):
    path = whole.folder / "src/ladder/scoring/scores.py"
    text = path.read_text()
    try:
        path.write_text(text + "\n# a comment\n")
        touched = {name for name, stage in STAGES.items() if "src/ladder/scoring" in stage["deps"]}
        status = yaml.safe_load(whole.run("dvc", "status", "--json"))
    finally:
        path.write_text(text)
    assert {f"evaluate@{name}" for name in group("evaluate")} <= touched
    assert not {name for name in touched if name.startswith(("split", "train", "distill", "quantize"))}
    assert set(status) == touched


@pytest.mark.slow
def test_a_clone_without_a_cache_compares_and_knows_that_nothing_is_stale(whole, tmp_path):
    whole.run("git", "clone", "--quiet", f"file://{whole.folder}", str(tmp_path / "clone"))
    clone = Pipeline(tmp_path / "clone")
    output = clone.run("dvc", "repro", "--dry", "--allow-missing")
    assert not ran(output)
    assert "up to date" in output
    shown = clone.run("dvc", "metrics", "show")
    assert all(f"metrics/{name}.json" in shown for name in group("evaluate"))

    metrics = clone.folder / "metrics/train_aug.json"
    clone.run("git", "switch", "--quiet", "--create", "other")
    metrics.write_text(metrics.read_text().replace('"accuracy": 0.', '"accuracy": 0.9'))
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0 ", "seed: 1 ", 1))
    clone.commit("another figure")
    changed = clone.run("dvc", "params", "diff", "main", "other").split()
    assert changed[changed.index("params.yaml") :] == ["params.yaml", "seed", "0", "1"]
    difference = clone.run("dvc", "metrics", "diff", "main", "other")
    assert "metrics/train_aug.json" in difference
    assert "metrics/train_baseline.json" not in difference
    clone.run("dvc", "plots", "diff", "main", "other")
    page = (clone.folder / "dvc_plots/index.html").read_text()
    assert "confusion" in page
    assert "val_accuracy" in page
    assert clone.run("git", "status", "--porcelain") == "", "no page of a comparison gets into a commit"


@pytest.mark.slow
def test_the_gate_passes_on_a_clone_and_names_what_does_not_belong_together(whole, tmp_path):
    whole.run("git", "clone", "--quiet", f"file://{whole.folder}", str(tmp_path / "clone"))
    clone = Pipeline(tmp_path / "clone")

    def gate(check: bool = False) -> str:
        return clone.run("env", f"PYTHONPATH={clone.folder / 'src'}", "python", "tools/check_lock.py", check=check)

    assert f"{len(whole.lock())} stages are up to date" in gate(check=True)
    (clone.folder / "metrics/train_aug.json").write_text("{}")
    (clone.folder / "plots/train_aug/confusion.png").unlink()
    scores = clone.folder / "src/ladder/scoring/scores.py"
    scores.write_text(scores.read_text() + "\n# a comment\n")
    output = gate()
    for problem in (
        "metrics/train_aug.json is not what evaluate@train_aug wrote",
        "plots/train_aug/confusion.png, a result of evaluate@train_aug, is missing",
        "inspect is not up to date: `dvc repro` runs it",  # the first one that reaches scores.py
    ):
        assert problem in output
    (clone.folder / "dvc.lock").unlink()
    assert "dvc.lock cannot be read" in gate()


@pytest.mark.slow
def test_a_clone_takes_from_a_remote_what_it_needs_and_no_more(whole, tmp_path):
    """A folder as the remote: the int8 student alone; then a change to scoring, for which no network is trained."""
    whole.run("git", "clone", "--quiet", f"file://{whole.folder}", str(tmp_path / "clone"))
    clone = Pipeline(tmp_path / "clone")
    for each in (whole, clone):
        each.run("dvc", "remote", "add", "--local", "--default", "shared", str(tmp_path / "remote"))
    whole.run("dvc", "push", "--quiet")

    student = "deployed/distill_static.onnx"
    clone.run("dvc", "pull", student)
    assert [path.name for path in (clone.folder / "deployed").iterdir()] == ["distill_static.onnx"]
    assert not (clone.folder / "models").exists()
    assert (clone.folder / student).read_bytes() == (whole.folder / student).read_bytes()

    clone.run("dvc", "pull", "deployed")  # or DVC takes the folder for a changed one
    assert not ran(clone.run("dvc", "repro", "--pull", "--allow-missing"))
    scores = clone.folder / "src/ladder/scoring/scores.py"
    scores.write_text(scores.read_text() + "\n# a comment\n")
    assert ran(clone.run("dvc", "repro", "--pull", "--allow-missing", "evaluate@train_aug")) == {"evaluate@train_aug"}
    assert not (clone.folder / "models/train_aug").exists(), "nothing that does not have to run is downloaded"


@pytest.mark.slow
def test_an_experiment_in_a_temporary_folder_runs_its_own_code(whole):
    path = whole.folder / "stages/split.py"
    text = path.read_text()
    path.write_text(text.replace("images to train", "IMAGES to train"))
    try:
        output = whole.run("dvc", "exp", "run", "--temp", "--name", "temporary", "-S", "data.split_seed=3", "split")
    finally:
        path.write_text(text)
    assert "IMAGES to train" in output
    assert "temporary" in whole.run("dvc", "exp", "list", "--name-only")


@pytest.mark.slow
def test_a_second_run_two_stages_at_a_time_writes_the_same_bytes(whole):
    """As `make repro JOBS=2`, against plain `dvc repro`; `hardware.threads` says 1, whatever the environment does."""
    verify = ["python", "-m", "ladder.verifying.verify", "--jobs", "2"]
    output = whole.run("env", f"PYTHONPATH={whole.folder / 'src'}", "OMP_NUM_THREADS=2", *verify)
    assert "2 at a time" in output
    assert "the second run wrote the same bytes" in output
    ours = {stage: len(outs(STAGES[stage])) for stage in STAGES if stage not in MEASURED}
    shown = {line.split()[0]: line.split()[1:] for line in output.splitlines() if re.fullmatch(r"\S+ +\d+ +\d+", line)}
    assert shown.pop("all")[1] == "0"
    assert shown.keys() == ours.keys()
    records = {stage: sum(path.endswith("machine.csv") for path in outs(STAGES[stage])) for stage in ours}
    assert {stage: int(numbers[0]) for stage, numbers in shown.items()} == {
        stage: ours[stage] - records[stage] for stage in ours
    }
    assert whole.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_however_a_stage_is_run_its_bytes_are_the_same(whole):
    """On a terminal, from another folder, in a temporary experiment and in a queued one."""
    again = ["--force"]  # the run cache is not asked then
    on_a_terminal(whole.folder / "src", "dvc", "repro", *again, "../dvc.yaml:train_baseline")
    assert whole.run("git", "status", "--porcelain") == ""

    whole.run("dvc", "exp", "run", "--temp", *again, "--name", "same_temp", "train_baseline")
    whole.run("dvc", "exp", "run", "--queue", *again, "--name", "same_queued", "train_baseline")
    whole.run("dvc", "exp", "run", "--run-all", "--jobs", "1")
    names = whole.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for name in ("same_temp", "same_queued"):
        (ref,) = [found for found in names if found.endswith(f"/{name}")]
        recorded = yaml.safe_load(whole.run("git", "show", f"{ref}:dvc.lock"))["stages"]
        assert recorded == whole.lock()


def on_a_terminal(folder: Path, *command: str) -> None:
    """Run a command as if in a window of its own."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=pipeline.ENVIRONMENT, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's way to say that nobody writes any more
        while part := os.read(outer, 65536):
            shown += part
    os.close(outer)
    assert process.wait() == 0, shown.decode()[-3000:]
    assert b"Running stage" in shown


# Kills: a training run long enough to be cut, in a repository of its own


@pytest.fixture(scope="module")
def long_run(tmp_path_factory) -> Pipeline:
    made = pipeline.create(tmp_path_factory.mktemp("long"))
    pipeline.set_epochs(made, "ablation", 60)
    made.run("dvc", "repro", "split")
    made.commit("sixty epochs to train")
    return made


@pytest.fixture(scope="module")
def uninterrupted(long_run) -> dict[str, str]:
    """md5 of what an uninterrupted run writes; the repository forgets that run."""
    long_run.run("dvc", "repro", "train_aug")
    md5s = long_run.md5s("train_aug")
    forget(long_run)
    return md5s


def forget(made: Pipeline) -> None:
    made.run("git", "checkout", "--quiet", "dvc.lock")
    for folder in (".ladder", "plots/train_aug"):
        shutil.rmtree(made.folder / folder)


def stage_processes(folder: Path) -> list[int]:
    """Process ids of training stages that run in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder) and b"stages/train.py" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to find a stage's process")
@pytest.mark.parametrize("victim", ["stage", "dvc"])
def test_what_is_killed_resumes_and_ends_with_the_same_bytes(long_run, uninterrupted, victim):
    command = ["dvc", "repro", "--no-run-cache", "train_aug"]
    process = long_run.start(*command)
    wait_for_epochs(long_run.folder / "plots/train_aug/history.csv", process, 3)
    if victim == "stage":
        for pid in stage_processes(long_run.folder):
            os.kill(pid, signal.SIGKILL)
        assert process.wait() != 0
    else:
        process.kill()  # its stage lives on, and holds the lock
        process.wait()
        assert stage_processes(long_run.folder)
    output = long_run.run(*command)
    assert "resuming after epoch" in output
    assert not stage_processes(long_run.folder)
    assert long_run.md5s("train_aug") == uninterrupted
    forget(long_run)
