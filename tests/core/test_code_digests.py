"""Digests are of the code that runs: an edit in a stage's first moments, or of a module imported late, is noticed."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imports import LADDER, ROOT, SRC

SCRIPT = """
{before}
from pathlib import Path
from ladder.core import runs
from ladder.core.errors import exit_on_input_error
from ladder.core.artifacts import files
{imported}
def main():
    with runs.stage("some", lambda params: params.evaluate, inputs=["in"], outputs=["result"]):
        {inside}
        Path("result").write_text("done")
exit_on_input_error(main)
"""


@pytest.fixture
def tree(workspace) -> Path:
    """A tree with code of its own and an input."""
    shutil.copytree(SRC / "ladder", workspace / "src/ladder", ignore=shutil.ignore_patterns("__pycache__"))
    Path("in").write_text("pixels")
    return workspace


def run(before: str = "", imported: str = "", inside: str = "pass") -> tuple[int, str]:
    Path("script.py").write_text(SCRIPT.format(before=before, imported=imported, inside=inside))
    environment = {"PATH": "", "PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, env=environment)
    return done.returncode, done.stderr


def edit(path: str, keep: str = "") -> str:
    """Code that adds a comment to a file; `keep`: with size and time as they were, as a stale .pyc would have it."""
    return f"p = Path({path!r}); p.write_text(p.read_text() + '# edited')" + keep


def test_without_an_edit_it_runs(tree):
    assert run() == (0, "")
    assert run() == (0, ""), "with .pyc files there, too"


@pytest.mark.parametrize("path", ["src/ladder/core/artifacts/files.py", "src/ladder/core/errors.py"])
def test_an_edit_between_import_and_digest_is_refused_before_anything_runs(tree, path):
    code, said = run(imported=edit(path))
    assert code == 1
    assert f"{path} changed as the stage started: nothing was run" in said
    assert not Path("result").exists()


def test_a_script_edited_while_a_slow_import_came_first_is_refused(tree):
    code, said = run(before="from pathlib import Path\n" + edit("script.py").replace("# edited", "\\nprint(3)\\n"))
    assert code == 1
    assert "script.py changed as the stage started" in said


@pytest.mark.parametrize("path", ["src/ladder/core/artifacts/files.py", "script.py"])
def test_an_edit_during_the_run_is_refused(tree, path):
    code, said = run(inside=edit(path))
    assert code == 1
    assert f"{path} changed while some ran" in said
    assert not Path("result").exists()


def test_an_edit_of_what_is_imported_late_is_refused(tree):
    path = "src/ladder/scoring/metrics.py"
    code, said = run(inside=f"import ladder.scoring.metrics; {edit(path)}")
    assert code == 1
    assert f"{path} changed while some ran" in said


def test_code_of_the_same_size_and_time_is_not_taken_from_an_old_pyc(tree):
    """Python knows a .pyc by its source's size and second: what runs must be what the digest is of."""
    module = tree / "src/ladder/core/late.py"
    module.write_text("VALUE = 1\n")
    show = "import ladder.core.late; Path('value').write_text(str(ladder.core.late.VALUE))"
    assert run(inside=show)[0] == 0
    stamp = module.stat()
    subprocess.run([sys.executable, "-m", "compileall", "-q", module], check=True)
    module.write_text("VALUE = 2\n")
    import os

    os.utime(module, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert run(inside=show)[0] == 0
    assert Path("value").read_text() == "2"


def test_params_may_be_written_anew(tree):
    """Their values are what counts, and are compared as such."""
    assert run(inside=edit("src/ladder/params.py")) == (0, "")


@pytest.mark.parametrize("script", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.name)
def test_stages_import_core_before_any_other_folder(script):
    """From there on, imports are recorded."""
    names = []
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "ladder":
            names.append(node.module)
        elif isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "ladder" for alias in node.names)
    first = next(name for name in names if name != "ladder")
    assert first.startswith("ladder.core"), names
    assert names[0] in ("ladder", first)


def test_the_first_import_of_params_starts_the_record():
    assert "ladder.core" in (LADDER / "params.py").read_text()
