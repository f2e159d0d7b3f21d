"""Which metrics of an experiment are its own: by dvc.lock, so that figures of another seed are not taken for its."""

import copy

import pytest

from ladder.sweeps import recorded

PARAMS = {"seed": 1, "data": {"source": "digits"}, "baseline": {"epochs": 2}}


def stage(deps: dict, outs: dict, **params) -> dict:
    return {
        "deps": [{"path": path, "md5": md5} for path, md5 in deps.items()],
        "outs": [{"path": path, "md5": md5} for path, md5 in outs.items()],
        "params": {"params.yaml": {key.replace("__", "."): value for key, value in params.items()}},
    }


MEMBERS = {"predictions/trained/a.npz": "a1", "predictions/trained/b.npz": "b1"}
FOLDER = recorded._folder_digest("predictions/trained", MEMBERS)  # tests/sweeps/test_commands.py has DVC's own
SPLIT = {"data/split": "s1.dir", "src/core": "c1.dir"}
LOCK = {
    "split": stage({"src/core": "c1.dir"}, {"data/split": "s1.dir"}, data__source="digits"),
    "a": stage(SPLIT, {"predictions/trained/a.npz": "a1"}, seed=1),
    "b": stage(SPLIT, {"predictions/trained/b.npz": "b1"}, seed=1, baseline={"epochs": 2}),
    "vote": stage({"predictions/trained": FOLDER}, {"voted.npz": "v1"}),
    "evaluate@a": stage({"predictions/trained/a.npz": "a1"}, {"metrics/a.json": "m1"}),
    "evaluate@vote": stage({"voted.npz": "v1"}, {"metrics/vote.json": "m2"}),
}


def own(lock: dict) -> tuple[bool, bool]:
    return recorded.is_own("metrics/a.json", lock, PARAMS), recorded.is_own("metrics/vote.json", lock, PARAMS)


def test_what_ran_as_a_whole_is_its_own():
    assert own(LOCK) == (True, True)


@pytest.mark.parametrize(
    ("name", "section", "index", "changed", "expected"),
    [
        ("a", "params", "params.yaml", {"seed": 0}, (False, False)),  # not rerun with this seed
        ("b", "params", "params.yaml", {"seed": 0}, (True, False)),
        ("b", "params", "params.yaml", {"seed": 1, "gone": 2}, (True, False)),
        ("split", "params", "params.yaml", {"data.source": "cifar10"}, (False, False)),
        ("b", "outs", 0, {"path": "predictions/trained/b.npz", "md5": "b2"}, (True, False)),  # voted before b reran
        ("a", "deps", 1, {"path": "src/core", "md5": "c0.dir"}, (False, False)),  # other code than the split's
        ("evaluate@a", "deps", 0, {"path": "predictions/trained/a.npz", "md5": "a0"}, (False, True)),
    ],
)
def test_what_was_made_of_other_things_is_not(name, section, index, changed, expected):
    lock = copy.deepcopy(LOCK)
    lock[name][section][index] = changed
    assert own(lock) == expected


def test_what_no_stage_wrote_is_not():
    assert not recorded.is_own("metrics/other.json", LOCK, PARAMS)
    assert own({}) == (False, False)
