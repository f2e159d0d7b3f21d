"""What DVC's graph becomes: no process is started."""

import pytest
from dvc.repo import Repo

import small
from ladder.core.errors import InputError
from ladder.running import plan
from small import stage


def steps(folder, *targets: str):
    with Repo(str(folder)) as repo:
        found, looked_at = plan.steps(repo, targets)
    return {step.name: step for step in found}, looked_at


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names are those of the current folder
    each = {"cmd": "cat a > e_${item}", "deps": ["a"], "outs": ["e_${item}"], "meta": {"memory_gb": 1.5}}
    return small.create(
        tmp_path,
        {
            "a": stage("a"),
            "b": stage("b", ("a",)),
            "timed": stage("timed", ("b", "e_x"), meta={"alone": True}),
            "each": {"foreach": ["x", "y"], "do": each},
            "product": {"matrix": {"n": [1, 2]}, "cmd": "touch p${item.n}", "outs": ["p${item.n}"]},
        },
    )


def test_a_step_has_what_dvc_says(folder):
    found, looked_at = steps(folder)
    assert looked_at == len(found) == 7
    assert {name: step.needs for name, step in found.items() if step.needs} == {
        "b": {"a"}, "each@x": {"a"}, "each@y": {"a"}, "timed": {"b", "each@x"},
    }  # fmt: skip
    heights = {name: step.height for name, step in found.items() if not name.startswith("product")}
    assert heights == {"a": 3, "b": 2, "each@x": 2, "timed": 1, "each@y": 1}
    assert {name for name, step in found.items() if step.alone} == {"timed"}
    assert {step.memory_gb for name, step in found.items() if name.startswith("each")} == {1.5}
    assert found["each@x"].group == found["each@y"].group != found["b"].group
    assert len({step.group for name, step in found.items() if name.startswith("product@")}) == 1


def test_targets_bring_what_they_need_and_a_group_all_its_members(folder):
    assert set(steps(folder, "b")[0]) == {"a", "b"}
    assert set(steps(folder, "each")[0]) == {"a", "each@x", "each@y"}
    assert set(steps(folder, "each@y")[0]) == {"a", "each@y"}


def test_a_frozen_stage_needs_nothing(folder):
    small.write(folder, {"a": stage("a"), "b": stage("b", ("a",), frozen=True)})
    assert steps(folder, "b")[0]["b"].needs == frozenset()


@pytest.mark.parametrize("said", ["much", None, -1, [2], True])
def test_memory_that_is_no_number_is_refused(folder, said):
    small.write(folder, {"a": stage("a", meta={"memory_gb": said})})
    with pytest.raises(InputError, match="memory_gb of a must be a number of gigabytes"):
        steps(folder)
