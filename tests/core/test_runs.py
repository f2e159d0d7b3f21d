"""What every stage run shares: one writer, the end check, no half-written outputs, states kept while needed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imports import ROOT, SRC
from ladder.core import runs, states
from ladder.core.artifacts import files
from ladder.core.errors import InputError


@pytest.fixture
def inputs(workspace) -> Path:
    (workspace / "in").mkdir()
    (workspace / "in/images").write_text("pixels")
    return Path("in")


def stage(inputs, outputs=("out/result",), name="some"):
    return runs.stage(name, lambda params: params.evaluate, inputs=[inputs], outputs=outputs)


def write(text: str = "done") -> None:
    Path("out").mkdir(exist_ok=True)
    Path("out/result").write_text(text)


def test_a_stage_gets_its_params(inputs):
    with stage(inputs) as run:
        assert run.params.ece_bins == 15
        write()
    assert Path("out/result").read_text() == "done"


def test_the_whole_of_params_is_checked_before_anything_else(inputs):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("hflip:", "hfilp:"))
    with pytest.raises(InputError, match=r"aug\.hfilp: unknown key; did you mean hflip"), stage(inputs):
        pytest.fail("the stage ran")


def test_a_missing_input_is_named(workspace):
    with pytest.raises(InputError, match="nothing/here is missing: `dvc repro` makes it"), stage("nothing/here"):
        pytest.fail("the stage ran")


@pytest.mark.parametrize("what", ["params.yaml", "in"])
def test_what_changes_during_a_run_voids_its_result(inputs, what):
    with pytest.raises(InputError, match=f"{what} changed while some ran"), stage(inputs):
        write()
        if what == "in":
            (inputs / "images").write_text("other pixels")
        else:
            text = Path("params.yaml").read_text()
            Path("params.yaml").write_text(text.replace("ece_bins: 15", "ece_bins: 10"))
    assert not Path("out/result").exists()


def test_params_that_the_stage_does_not_read_may_change(inputs):
    with stage(inputs):
        write()
        text = Path("params.yaml").read_text()
        Path("params.yaml").write_text(text.replace("split_seed: 0", "split_seed: 1"))
    assert Path("out/result").exists()


def test_an_error_removes_what_the_run_created_and_nothing_older(inputs):
    write("old")
    with pytest.raises(ZeroDivisionError), stage(inputs, ("out/result", "out/new", "out/folder")):
        Path("out/new").write_text("half")
        Path("out/folder").mkdir()
        raise ZeroDivisionError
    assert [path.name for path in Path("out").iterdir()] == ["result"]
    assert Path("out/result").read_text() == "old"


CODE = """
import sys, time
sys.path.insert(0, {src!r})
from ladder.core import runs, states
from ladder.core.artifacts import files
with runs.stage("some", lambda params: params.evaluate, inputs=["in"], outputs=["out/result"]) as run:
    print("in", flush=True)
    sys.stdin.readline()
    print("out", flush=True)
"""


def test_a_second_run_of_a_stage_waits_for_the_first(inputs):
    code = [sys.executable, "-c", CODE.format(src=str(SRC))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(code, **pipes) as first, subprocess.Popen(code, **pipes) as second:
        started = {first: first.stdout.readline(), second: second.stdout.readline()}
        holder = next(process for process, line in started.items() if line == "in\n")
        waiter = second if holder is first else first
        assert "another run of some is writing here" in started[waiter]
        holder.kill()  # the system frees the lock
        assert waiter.stdout.readline() == "in\n"
        assert waiter.communicate("go\n")[0] == "out\n"


def state(run) -> Path:
    with run.state({"torch": "1"}) as folder:
        (folder / "state.pt").touch()
        write("result of " + run.name)
    return folder


def run_to_the_end(inputs, name: str) -> Path:
    with stage(inputs, name=name) as run:
        return state(run)


def test_a_finished_state_is_kept_until_dvc_lock_holds_the_result(inputs):
    folder = run_to_the_end(inputs, "one")
    run_to_the_end(inputs, "two")
    assert folder.exists(), "dvc.lock does not know the result yet"
    md5 = json.loads((folder / states.FINISHED).read_text())["md5"]
    Path("dvc.lock").write_text(f"outs: [{{path: out/result, md5: {md5}}}]\n")
    with stage(inputs, name="three"):
        assert not folder.exists()


def test_an_unfinished_state_is_kept(inputs):
    with pytest.raises(ZeroDivisionError), stage(inputs) as run, run.state({}) as folder:
        (folder / "state.pt").touch()
        raise ZeroDivisionError
    with stage(inputs, name="other"):
        assert (folder / "state.pt").exists()


@pytest.mark.parametrize("content", ["", "{}", "null", '{"tree": 3, "md5": null}', "{", "[" * 9000])
def test_a_damaged_mark_of_a_finished_state_is_removed_and_the_state_kept(inputs, capsys, content):
    folder = run_to_the_end(inputs, "one")
    (folder / states.FINISHED).write_text(content)
    with stage(inputs, name="two"):
        pass
    assert "finished.json is damaged and was removed: the state beside it is kept" in capsys.readouterr().out
    assert (folder / "state.pt").exists()
    assert not (folder / states.FINISHED).exists()


def interrupted(inputs, environment: dict) -> Path:
    with pytest.raises(ZeroDivisionError), stage(inputs) as run, run.state(environment) as folder:
        (folder / "state.pt").touch()
        raise ZeroDivisionError
    return folder


def test_a_state_of_another_environment_is_not_used_and_a_line_says_so(inputs, capsys):
    interrupted(inputs, {"threads": 2, "torch": "2.14", "kind": "cpu"})
    assert capsys.readouterr().out == ""
    interrupted(inputs, {"threads": 1, "torch": "2.15", "kind": "cpu"})
    assert capsys.readouterr().out == (
        "some: a state of an earlier run is not used: it was made with threads 2, torch 2.14, this run has threads 1,"
        " torch 2.15\n"
    )
    interrupted(inputs, {"threads": 1, "torch": "2.15", "kind": "cpu"})
    assert capsys.readouterr().out == "", "this one goes on with its own"
    (inputs / "images").write_text("other pixels")
    interrupted(inputs, {"threads": 3, "torch": "2.15", "kind": "cpu"})
    assert capsys.readouterr().out == "", "other data are another run"


def test_states_removed_during_a_run_are_noticed_and_nothing_is_lost(inputs, capsys):
    with stage(inputs) as run, run.state({}) as folder:
        shutil.rmtree(".ladder")
        files.write_bytes(folder / "state.pt", b"the next epoch")
        write()
    said = capsys.readouterr().out
    assert ".ladder/locks/some.lock was removed meanwhile: nothing was lost" in said
    assert (folder / "state.pt").read_bytes() == b"the next epoch"
    assert Path("out/result").exists()


def test_a_folder_that_is_removed_as_a_state_is_written_is_made_again(tmp_path, monkeypatch):
    real, calls = Path.write_bytes, []

    def removed(path, data):
        calls.append(path)
        if len(calls) == 1:
            shutil.rmtree(path.parent)
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", removed)
    files.write_bytes(tmp_path / "state/state.pt", b"whole")
    assert (tmp_path / "state/state.pt").read_bytes() == b"whole"


def test_another_run_that_was_let_in_by_a_removed_lock_voids_the_result(inputs):
    with pytest.raises(InputError, match=r"some\.lock was removed meanwhile, and another run started"), stage(inputs):
        write()
        shutil.rmtree(".ladder")
        with stage(inputs, outputs=("out/other",)):
            pass
    assert not Path("out/result").exists()


def test_a_state_belongs_to_everything_that_determines_the_result(inputs):
    def folder(environment) -> Path:
        with stage(inputs) as run, run.state(environment) as path:
            write()
        return path

    first = folder({"torch": "1"})
    assert folder({"torch": "1"}) == first
    others = {folder({"torch": "2"})}
    (inputs / "images").write_text("other pixels")
    others.add(folder({"torch": "1"}))
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("ece_bins: 15", "ece_bins: 10"))
    others.add(folder({"torch": "1"}))
    assert len(others | {first}) == 4


def test_state_lies_under_dvcs_root(inputs, tmp_path_factory, monkeypatch):
    original = tmp_path_factory.mktemp("original")
    monkeypatch.setenv("DVC_ROOT", str(original))
    assert run_to_the_end(inputs, "one").is_relative_to(original)


def test_the_code_of_another_tree_is_refused(workspace):
    (workspace / "src/ladder").mkdir(parents=True)
    with pytest.raises(InputError, match="run stages through dvc"), stage(ROOT / "README.md"):
        pytest.fail("the stage ran")
