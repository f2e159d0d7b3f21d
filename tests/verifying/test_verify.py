"""A second run and its comparison, on small pipelines of shell stages, with DVC itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import small
from ladder.verifying import outputs
from small import stage

VERIFY = [sys.executable, "-m", "ladder.verifying.verify"]
MACHINE = "what,value\nprocessor,{}\n"
PARAMS = "a: {epochs: 1}\n"


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = small.ENVIRONMENT | {"TMPDIR": str(folder.parent / "temporary")}
    (folder.parent / "temporary").mkdir(exist_ok=True)
    return subprocess.run(
        [*VERIFY, *arguments], cwd=folder, env=environment, text=True, capture_output=True, timeout=300
    )


def left(folder: Path) -> list[Path]:
    """What verify leaves in the folder of temporary files."""
    return list((folder.parent / "temporary").glob("verify-*"))


def trained(processor: str, accuracy: float) -> dict:
    """A stage that reads params and writes a score and a record of its machine."""
    score = json.dumps({"accuracy": accuracy, "accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1})
    record = MACHINE.format(processor).replace("\n", "\\n")
    return {
        "cmd": f"mkdir -p metrics; printf '{record}' > machine.csv; echo '{score}' > metrics/a.json; cat images/x > a",
        "deps": ["images"],
        "params": ["a"],
        "outs": ["a"],
        "metrics": [{"metrics/a.json": {"cache": False}}, {"machine.csv": {"cache": False}}],
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two stages on images that `dvc add` tracks, one that measures and one that shows it; run and committed."""
    made = tmp_path / "repository"
    made.mkdir()
    small.create(
        made,
        {
            "train": trained("some", 0.5),
            "after": stage("after", ("a",)),
            "benchmark": stage("measured", ("after",)),
            "page": stage("page", ("measured",)),
        },
    )
    (made / "params.yaml").write_text(PARAMS)
    (made / "images").mkdir()
    (made / "images/x").write_text("pixels\n")
    dvc(made, "add", "--quiet", "images")
    dvc(made, "repro", "--quiet")
    small.commit(made, "results")
    return made


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, env=small.ENVIRONMENT, check=True)


def test_a_second_run_writes_the_same_bytes(folder):
    done = verify(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["train", "2", "0"] in rows, "the record of its machine is no output to compare"
    assert ["after", "1", "0"] in rows
    assert ["all", "3", "0"] in rows
    assert done.stdout.count("Running stage") == 2, "nothing comes from a cache, and what measures is left out"
    assert not left(folder)
    assert small.git(folder, "status", "--porcelain").stdout == ""


def test_a_part_is_run_on_what_the_others_left(folder):
    done = verify(folder, "after", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'after'" in done.stdout
    assert "Running stage 'train'" not in done.stdout
    assert "what 2 others left handed over and checked" in done.stdout


def test_what_differs_is_counted_and_shown(folder):
    (folder / "dvc.yaml").write_text((folder / "dvc.yaml").read_text().replace("cat images/x > a", "date +%N > a"))
    dvc(folder, "repro", "--quiet")  # what is verified is the tree as it is, committed or not
    done = verify(folder)
    assert done.returncode == 1
    assert ["train", "2", "1"] in [line.split() for line in done.stdout.splitlines()]
    assert "The first difference, in a: bytes differ from offset" in done.stderr
    assert "Machines: recorded as the same" in done.stderr
    (kept,) = left(folder)
    assert str(kept) in done.stderr
    assert (kept / "second/a").read_bytes() != (folder / "a").read_bytes()


def test_a_run_that_is_not_whole_is_refused(folder):
    (folder / "a").write_text("another")
    done = verify(folder)
    assert done.returncode == 1
    assert "there is no first run to compare with: train, after not up to date here" in done.stderr
    assert not left(folder)


def test_other_images_are_refused(folder):
    (folder / "images/x").write_text("others")
    done = verify(folder, "after")
    assert done.returncode == 1
    assert "images.dvc" in done.stderr


def test_what_measures_and_what_is_not_there_are_refused(folder):
    assert "leave benchmark out" in verify(folder, "benchmark").stderr
    assert "leave page out" in verify(folder, "page", "after").stderr
    assert "Stage 'nothing' not found" in verify(folder, "nothing").stderr


def test_a_preset_that_is_not_there_is_named(folder):
    done = verify(folder, "--preset", "small")
    assert done.returncode == 1
    assert done.stderr.startswith("verify: ")
    assert not left(folder)


# --- against what is committed


def another_run(folder: Path, *changes: tuple[str, str]) -> None:
    """Change dvc.yaml and run it, as another machine would have given other results."""
    text = (folder / "dvc.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "dvc.yaml").write_text(text)
    dvc(folder, "repro", "--quiet")


OTHER_BYTES = ("cat images/x > a", "cat images/x images/x > a")


def test_the_same_machine_gives_the_same_bytes(folder):
    done = verify(folder, "--against", "HEAD")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 stages by bytes" in done.stdout
    another_run(folder, OTHER_BYTES)
    done = verify(folder, "--against", "HEAD")
    assert done.returncode == 1
    assert "train: a has other bytes" in done.stderr
    assert "after: after has other bytes: bytes differ" not in done.stderr, "it is in the cache, not in Git"


def test_another_machine_gives_accuracies_within_intervals(folder):
    another_run(folder, OTHER_BYTES, ("processor,some", "processor,other"), ('"accuracy": 0.5', '"accuracy": 0.55'))
    done = verify(folder, "--against", "HEAD")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["train"][1:4] == ["accuracy", "2", "2"]
    assert rows["after"][1:4] == ["accuracy", "1", "1"], "it follows from what another machine trained"
    assert "0.5500 here, 0.5000 there (0.4000 to 0.6000)" in done.stdout
    assert "  processor other first, some second" in done.stdout

    another_run(folder, ('"accuracy": 0.55', '"accuracy": 0.65'))
    done = verify(folder, "--against", "HEAD")
    assert done.returncode == 1
    assert "train: an accuracy is outside of the committed interval: 0.6500 here" in done.stderr


def test_other_params_are_no_second_run(folder):
    (folder / "params.yaml").write_text("a: {epochs: 2}\n")
    dvc(folder, "repro", "--quiet")
    done = verify(folder, "--against", "HEAD")
    assert done.returncode == 1
    assert "params differ (a of train)" in done.stderr
    assert "cannot be read: give a revision" in verify(folder, "--against", "no_such").stderr


# --- the comparison


def test_files_and_folders_are_compared(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for tree in (first, second):
        for name in ("models/a/one", "models/a/two", "models/b/one", "plots/a/machine.csv", "same"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text("content")
        (tree / "empty").mkdir()
    (second / "models/a/one").write_text("CONTENT")
    (second / "models/a/two").unlink()
    (second / "models/a/three").write_text("")
    (second / "plots/a/machine.csv").write_text("another")
    written = {"a": ["models/a", "models/b", "plots/a/machine.csv"], "b": ["same", "empty", "nowhere"]}
    a, b = outputs.compare(first, second, written)
    assert (a.outputs, a.differing) == (("models/a", "models/b"), ("models/a",))
    assert a.files == ("models/a/one", "models/a/three", "models/a/two")
    assert (b.differing, b.files) == (("nowhere",), ("nowhere",)), "what neither has was not written"
