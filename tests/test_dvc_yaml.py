"""dvc.yaml against the code: deps are what a stage imports, params what it reads, outs what it writes."""

import shlex
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

from dvcfile import STAGES, arguments, downstream, inside, outs, script
from imports import FOLDERS, ROOT, folder_of, reached
from ladder import ladder_file, params
from ladder.core import runs

CODE = ("stages/", "src/")
LADDER = ladder_file.read(ROOT / "ladder.yaml")
SCHEMA = params.schema(LADDER)


@pytest.mark.parametrize("name", STAGES)
def test_deps_name_every_folder_that_the_stage_reaches(name):
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith(CODE)}
    folders = {folder_of(module) for module in reached(ROOT / script(STAGES[name]))} & set(FOLDERS)
    assert code == {script(STAGES[name]), *(f"src/ladder/{folder}" for folder in folders)}


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_is(name):
    assert STAGES[name]["desc"]


class Chosen(Exception):
    """Ends a stage as soon as it has said what it reads and writes."""


@pytest.fixture
def chosen(monkeypatch):
    """What a stage asks `runs.stage` for: groups of params read, inputs and outputs."""
    values = params.load_yaml(ROOT / "params.yaml")
    found: dict = {"groups": set(), "computes": False}

    class Recording(SCHEMA):
        def __getattribute__(self, name):
            if name in SCHEMA.model_fields:
                found["groups"].add(name)
            return super().__getattribute__(name)

    recording = Recording.model_validate(values)

    def stage(name, select, *, inputs, outputs):
        found["groups"].clear()
        found["computes"] = isinstance(select(recording), params.Computing)
        found.update(name=name, inputs={str(path) for path in inputs}, outputs={str(path) for path in outputs})
        raise Chosen

    monkeypatch.setattr(params, "read", lambda *_: recording)
    monkeypatch.setattr(runs, "stage", stage)
    monkeypatch.chdir(ROOT)
    return found


def begin(name: str) -> None:
    """Run a stage up to where it says what it reads and writes."""
    path = ROOT / script(STAGES[name])
    namespace: dict = {"__name__": path.stem}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), namespace)
    with pytest.raises(Chosen):
        namespace["main"](*arguments(STAGES[name]))


def groups(stage: dict) -> set[str]:
    """The groups of which a stage reads all, or some key (`group.key`)."""
    return {key.split(".")[0] for key in stage.get("params", [])}


@pytest.mark.parametrize("name", STAGES)
def test_params_inputs_and_outputs_are_those_the_stage_names(name, chosen):
    begin(name)
    assert chosen["name"] == name
    assert chosen["groups"] == groups(STAGES[name])
    data = {dep for dep in STAGES[name]["deps"] if not dep.startswith(CODE)}
    chosen["inputs"] = {path for path in chosen["inputs"] if not Path(path).is_relative_to(ROOT / "src")}  # templates
    assert {dep for dep in data for path in chosen["inputs"] if inside(path, dep)} == data, "each dep holds an input"
    assert all(any(inside(path, dep) for dep in data) for path in chosen["inputs"]), "each input stands in a dep"
    written = {path for path in outs(STAGES[name]) if not path.endswith("history.csv")}
    assert chosen["outputs"] == written


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_computes_depends_on_its_threads_and_no_other_does(name, chosen):
    """`hardware.threads` alone, where nothing else of the group is read. `benchmark` times several numbers of them."""
    begin(name)
    named = {"hardware", "hardware.threads"} & set(STAGES[name].get("params", []))
    assert chosen["computes"] == (bool(named) and name != "benchmark")


def test_every_group_of_params_is_read_by_some_stage():
    assert set().union(*map(groups, STAGES.values())) == set(SCHEMA.model_fields)


def test_every_rung_is_a_training_stage_and_the_reverse():
    training = {name for name, stage in STAGES.items() if f"plots/{name}/history.csv" in outs(stage)}
    assert training == set(LADDER.rungs)


def test_the_benchmark_is_in_nobodys_way():
    """Nothing waits for it but its page, and `dvc repro`, which goes by the order of stages, runs both last."""
    assert downstream({"benchmark"}) == {"benchmark", "benchmark_page"}
    repo = Repo(str(ROOT))
    order = plan_repro(get_active_graph(repo.index.graph), collect_stages(repo, [str(ROOT / "dvc.yaml")]))
    assert [stage.addressing.rpartition(":")[2] for stage in order[-2:]] == ["benchmark", "benchmark_page"]


def test_heavy_outputs_are_cached_and_small_ones_are_in_git():
    for name, stage in STAGES.items():
        for out in stage.get("outs", []):
            small = isinstance(out, dict)
            heavy = ("data/", "models/", "deployed", "predictions/")
            assert list(out.values()) == [{"cache": False}] if small else out.startswith(heavy)
        for entry in stage.get("metrics", []) + stage.get("plots", []):
            assert next(iter(entry.values()))["cache"] is False, f"{name}: {entry}"


def test_every_stage_but_those_of_documents_keeps_the_run_cache():
    """A plain out outside of the cache switches it off; under metrics and plots it does not. DVC draws no documents."""
    uncached = {
        path
        for stage in STAGES.values()
        for out in stage.get("outs", [])
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
        if not options.get("cache", True) or options.get("persist")
    }
    assert uncached == {"report.md", "report.html", "benchmark.html"}
    assert not any(stage.get("always_changed") for stage in STAGES.values())


def test_commands_run_the_code_of_their_own_tree():
    for stage in STAGES.values():
        assert shlex.split(stage["cmd"])[:3] == ["env", "PYTHONPATH=src", "python"]
        assert Path(ROOT / script(stage)).is_file()
