"""Which stage starts next: a choice by rules, without processes."""

import pytest

from ladder.running.choice import next_batch
from ladder.running.plan import Step


def step(name: str, height: int = 1, group: str = "", alone: bool = False, memory_gb: float = 0) -> Step:
    return Step(name, group or name, frozenset(), height, alone, memory_gb)


def names(ready, running=(), jobs=2, memory_gb=8.0) -> list[str]:
    return [chosen.name for chosen in next_batch(ready, running, jobs, memory_gb)]


def test_what_the_longest_chain_waits_for_goes_first_then_dvcs_order():
    ready = [step("a"), step("b", height=3), step("c", height=3)]
    assert names(ready) == ["b"]
    assert names(ready[:1] + ready[2:]) == ["c"]
    assert names([]) == []


def test_no_more_than_jobs():
    assert names([step("a")], [[step("x")], [step("y")]]) == []
    assert names([step("a")], [[step("x")], [step("y")]], jobs=3) == ["a"]


@pytest.mark.parametrize(("free", "sizes"), [(1, [5]), (2, [3, 2]), (4, [2, 1, 1, 1])])
def test_members_of_one_foreach_are_divided_between_the_free_places(free, sizes):
    ready = [step(f"e@{n}", group="e") for n in range(5)]
    running: list = []
    while chosen := next_batch(ready, running, free, 8.0):
        running.append(chosen)
        ready = [one for one in ready if one not in chosen]
    assert sorted(map(len, running), reverse=True) == sorted(sizes, reverse=True)
    assert ready == []


def test_one_that_is_alone_waits_and_is_waited_for():
    alone, other = step("timed", height=9, alone=True), step("other")
    assert names([alone, other]) == ["other"]
    assert names([alone], [[other]]) == []
    assert names([alone]) == ["timed"]
    assert names([other], [[alone]]) == []


def test_members_of_a_foreach_that_want_to_be_alone_run_one_by_one():
    assert names([step("t@1", group="t", alone=True), step("t@2", group="t", alone=True)]) == ["t@1"]


def test_memory_is_not_promised_twice():
    large, small = step("large", height=2, memory_gb=6), step("small", memory_gb=1)
    assert names([large, small], [[step("x", memory_gb=5)]]) == ["small"]
    assert names([large], [[step("x", memory_gb=5)]]) == []
    assert names([large], [[step("x", memory_gb=2)]]) == ["large"]


def test_a_stage_larger_than_memory_runs_with_nothing_beside_it():
    huge = step("huge", memory_gb=100)
    assert names([huge], [[step("x")]]) == []
    assert names([huge]) == ["huge"]
    assert names([step("x", memory_gb=1)], [[huge]]) == []
