"""Experiments, in the workspace, temporary and queued ones: the same bytes, and in which clones they are kept."""

import os
from pathlib import Path

import pytest
import yaml

import pipeline
from pipeline import Pipeline, ran

pytestmark = pytest.mark.slow

NAMELESS = {"HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def clone(source: Pipeline, folder: Path, *options: str) -> Pipeline:
    source.run("git", "clone", "--quiet", *options, f"file://{source.folder}", str(folder))
    return Pipeline(folder)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Pipeline:
    """Two commits, so that a clone of depth 1 is a shallow one."""
    made = pipeline.create(tmp_path_factory.mktemp("start"))
    made.run("git", "commit", "--quiet", "--allow-empty", "--message", "another")
    return made


def recorded(made: Pipeline, experiment: str) -> dict[str, dict[str, str]]:
    """What dvc.lock of an experiment says that each stage wrote."""
    lock = yaml.safe_load(made.run("git", "show", f"{experiment}:dvc.lock"))["stages"]
    return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in lock.items()}


def revision(made: Pipeline, name: str) -> str:
    refs = made.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/").split()
    (found,) = [ref for ref in refs if ref.endswith(f"/{name}")]
    return found


def test_temporary_and_queued_experiments_give_the_bytes_of_the_workspace(start, tmp_path):
    """In two clones, each with its own cache, so that nothing is restored."""
    target = "evaluate@train_baseline"
    one, other = clone(start, tmp_path / "one"), clone(start, tmp_path / "other")
    for seed in (1, 2, 3):
        output = one.run("dvc", "exp", "run", "--name", f"seed{seed}", "-S", f"seed={seed}", target)
        assert "train_baseline" in ran(output)
        one.run("git", "checkout", "--quiet", ".")
    output = other.run("dvc", "exp", "run", "--temp", "--name", "seed1", "-S", "seed=1", target)
    assert "train_baseline" in ran(output)
    for seed in (2, 3):
        other.run("dvc", "exp", "run", "--queue", "--name", f"seed{seed}", "-S", f"seed={seed}", target)
    status = pipeline.run_the_queue(other, 2)
    assert status.count("Success") == 2, status

    seeds = [recorded(one, revision(one, f"seed{seed}")) for seed in (1, 2, 3)]
    assert [recorded(other, revision(other, f"seed{seed}")) for seed in (1, 2, 3)] == seeds
    assert target in seeds[0]
    assert seeds[0]["split"] == seeds[1]["split"]
    assert seeds[0]["train_baseline"] != seeds[1]["train_baseline"]


def both_kinds(made: Pipeline) -> None:
    """An experiment in the workspace and a temporary one, of the first two stages, both kept."""
    made.run("dvc", "exp", "run", "--name", "here", "-S", "data.split_seed=1", "split")
    made.run("git", "checkout", "--quiet", ".")
    made.run("dvc", "exp", "run", "--temp", "--name", "elsewhere", "-S", "data.split_seed=2", "split")
    assert {"here", "elsewhere"} <= set(made.run("dvc", "exp", "list", "--name-only").split())


def test_where_git_has_no_identity(start, tmp_path, monkeypatch):
    made = clone(start, tmp_path / "clone")
    for key in [key for key in pipeline.ENVIRONMENT if key.startswith("GIT_")]:
        monkeypatch.delitem(pipeline.ENVIRONMENT, key)
    for key, value in NAMELESS.items():
        monkeypatch.setitem(pipeline.ENVIRONMENT, key, value)
    assert made.run("git", "config", "user.name", check=False) == ""
    both_kinds(made)


def test_in_a_linked_worktree_with_a_cache_of_links(start, tmp_path):
    """It shares Git's experiments; the cache is told of: README's table has the command."""
    made = clone(start, tmp_path / "clone")
    made.run("git", "worktree", "add", "--quiet", "-b", "linked", str(tmp_path / "linked"))
    linked = Pipeline(tmp_path / "linked")
    linked.run("dvc", "cache", "dir", "--local", str(made.folder / ".dvc/cache"))
    linked.run("dvc", "config", "--local", "cache.type", "symlink")
    both_kinds(linked)
    assert not (linked.folder / ".dvc/cache").exists()
    assert not ran(made.run("dvc", "exp", "run", "--name", "again", "-S", "data.split_seed=1", "split"))
    linked.run("dvc", "repro", "split")
    assert (linked.folder / "data/split/test/images.npy").is_symlink()
    assert not ran(linked.run("dvc", "repro", "split"))


def test_a_shallow_clone_keeps_no_temporary_experiment_until_it_has_its_history(start, tmp_path):
    """The row of README's table, and its remedy. If the first half fails, DVC has mended it: take the row out."""
    made = clone(start, tmp_path / "clone", "--depth", "1")
    made.run("dvc", "exp", "run", "--temp", "--name", "lost", "-S", "data.split_seed=3", "split")
    assert "lost" not in made.run("dvc", "exp", "list", "--name-only")
    code = f"PYTHONPATH={made.folder / 'src'}"
    output = made.run("env", code, "python", "tools/experiments.py", check=False)
    assert "this clone is shallow" in output
    made.run("git", "fetch", "--quiet", "--unshallow")
    both_kinds(made)
