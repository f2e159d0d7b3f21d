"""dvc.lock of two branches, united stage by stage: the rules, odd files, and Git itself."""

import copy
import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml

import small
from imports import ROOT
from ladder.running import lock_merge


def entry(md5: str, *more: str) -> dict:
    return {"cmd": "make", "outs": [{"path": path, "hash": "md5", "md5": md5 * 32, "size": 1} for path in ("o", *more)]}


def lock(**stages: dict) -> dict:
    """A dvc.lock; of copies, or YAML would write an entry that stands in it twice as an alias."""
    return {"schema": "2.0", "stages": {key: copy.deepcopy(one) for key, one in stages.items()}}


A, B, C = entry("a"), entry("b"), entry("c")
NONE: dict = {}


# base, ours, theirs -> stages of the result, those that both changed
CASES = {
    "nobody changed it": (lock(s=A), lock(s=A), lock(s=A), {"s": A}, []),
    "we did": (lock(s=A), lock(s=B), lock(s=A), {"s": B}, []),
    "they did": (lock(s=A), lock(s=A), lock(s=B), {"s": B}, []),
    "both alike": (lock(s=A), lock(s=B), lock(s=B), {"s": B}, []),
    "both differently": (lock(s=A, t=A), lock(s=B, t=A), lock(s=C, t=B), {"s": B, "t": B}, ["s"]),
    "each its own": (lock(s=A, t=A), lock(s=B, t=A), lock(s=A, t=C), {"s": B, "t": C}, []),
    "each a new one": (lock(), lock(s=A), lock(t=B), {"s": A, "t": B}, []),
    "both the same new one": (lock(), lock(s=A), lock(s=A), {"s": A}, []),
    "both a new one, differently": (lock(), lock(s=A), lock(s=B), {"s": A}, ["s"]),
    "we deleted it": (lock(s=A, t=A), lock(t=A), lock(s=A, t=A), {"t": A}, []),
    "they deleted it": (lock(s=A, t=A), lock(s=A, t=A), lock(t=A), {"t": A}, []),
    "both deleted it": (lock(s=A, t=A), lock(t=A), lock(t=A), {"t": A}, []),
    "we deleted it, they changed it": (lock(s=A), lock(), lock(s=B), {"s": B}, ["s"]),
    "they deleted it, we changed it": (lock(s=A), lock(s=B), lock(), {"s": B}, ["s"]),
    "no base": (NONE, lock(s=A), lock(t=B), {"s": A, "t": B}, []),
    "ours is empty": (NONE, NONE, lock(s=A), {"s": A}, []),
    "theirs is empty": (NONE, lock(s=A), NONE, {"s": A}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_each_stage_by_itself(case):
    base, ours, theirs, stages, both = CASES[case]
    merged, named = lock_merge.unite(base, ours, theirs)
    assert (merged["schema"], merged["stages"], named) == ("2.0", stages, both)


def test_an_entry_is_never_mixed():
    """Ours wrote one file more, theirs made another one anew: both are records of one run, half of each is of none."""
    base, ours, theirs = lock(s=entry("a")), lock(s=entry("a", "p")), lock(s=entry("b"))
    merged, both = lock_merge.unite(base, ours, theirs)
    assert merged["stages"]["s"] in (ours["stages"]["s"], theirs["stages"]["s"])
    assert both == ["s"]


def test_other_parts_of_the_file_are_united_too():
    sets = [{"name": "d", "type": "dvc", "url": "x"}]
    merged, both = lock_merge.unite(lock(), lock(s=A), lock() | {"datasets": sets})
    assert (merged, both) == (lock(s=A) | {"datasets": sets}, [])


def merge(folder: Path, base: str | bytes, ours: str | bytes, theirs: str | bytes) -> tuple[int, bytes]:
    """The driver's code and what it left in the file of our side."""
    for name, content in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    code = lock_merge.main(*(str(folder / name) for name in ("base", "ours", "theirs")), "dvc.lock")
    return code, (folder / "ours").read_bytes()


def test_the_file_is_written_as_dvc_writes_it(tmp_path):
    """The tracked dvc.lock, in which two branches change a stage each, differs in those stages' lines alone."""
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    first, last = (text.index(name) for name in ("md5: ", "\n  evaluate@"))
    one = text[:first] + "md5: " + "1" * 32 + text[first + 37 :]
    position = text.index("md5: ", last)
    other = text[:position] + "md5: " + "2" * 32 + text[position + 37 :]
    assert one != text != other
    code, merged = merge(tmp_path, text, one, other)
    expected = one[:position] + other[position : position + 37] + one[position + 37 :]
    assert (code, merged.decode()) == (0, expected)


def test_line_ends_of_windows(tmp_path):
    texts = [dumps_yaml(side).replace("\n", "\r\n") for side in (lock(s=A), lock(s=B), lock(s=A, t=C))]
    assert merge(tmp_path, *texts) == (0, dumps_yaml(lock(s=B, t=C)).encode())


def test_what_both_changed_is_named_with_what_to_do(tmp_path, capsys):
    code, merged = merge(tmp_path, *(dumps_yaml(side) for side in (lock(s=A, t=A), lock(s=B, t=A), lock(s=C, t=B))))
    assert (code, merged) == (1, dumps_yaml(lock(s=B, t=B)).encode())
    said = capsys.readouterr().err
    assert said.startswith("dvc.lock: changed on both sides, and kept as ours: s. ")
    assert "`dvc repro`" in said
    assert "`git add dvc.lock`" in said


def test_empty_files(tmp_path):
    assert merge(tmp_path, "", "", "") == (0, b"")
    assert merge(tmp_path, "", "", dumps_yaml(lock(s=A))) == (0, dumps_yaml(lock(s=A)).encode())


@pytest.mark.parametrize(
    "odd",
    [b"<<<<<<< ours\nschema: '2.0'\n", b"stages: [", b"train:\n  cmd: x\n", b"schema: '1.0'\n", b"text", b"\xff\xfe",
     b"schema: '2.0'\nstages: [a]\n", b"schema: '2.0'\nstages: {}\nstages: {}\n"],
)  # fmt: skip
@pytest.mark.parametrize("side", [1, 2])
def test_what_is_no_lock_of_dvc_is_left_to_git(tmp_path, capfd, odd, side):
    """As without the driver: text that only one side changed is taken, all else is a conflict, with its marks."""
    text = dumps_yaml(lock(s=A)).encode()
    sides = [text, text, text]
    sides[side] = odd
    assert merge(tmp_path, *sides) == (0, odd)
    assert "merged as text instead" in capfd.readouterr().err
    sides[3 - side] = dumps_yaml(lock(s=B)).encode()
    code, merged = merge(tmp_path, *sides)
    assert code == 1
    assert b"<<<<<<< ours" in merged


# Git itself


@pytest.fixture
def branches(tmp_path) -> Path:
    """`main` and `other`, each with a stage of its own in dvc.lock, next to each other: text that Git cannot merge."""
    folder = tmp_path / "clone"
    folder.mkdir()
    small.git(folder, "init", "--quiet", "--initial-branch", "main")
    for name in ("src", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitattributes", folder)
    (folder / ".gitignore").write_text("__pycache__\n")
    save(folder, lock(first=A), "start")
    small.git(folder, "switch", "--quiet", "--create", "other")
    save(folder, lock(first=A, there=B), "there")
    small.git(folder, "switch", "--quiet", "main")
    save(folder, lock(first=A, here=C), "here")
    return folder


def save(folder: Path, content: dict, message: str) -> None:
    (folder / "dvc.lock").write_text(dumps_yaml(content))
    small.commit(folder, message)


def register(folder: Path) -> None:
    for _ in range(2):  # what make setup does each time
        subprocess.run(["tools/register_merge.sh"], cwd=folder, env=small.ENVIRONMENT, check=True)


COMMANDS = {
    "merge": ["merge", "--no-edit", "other"],
    "rebase": ["rebase", "other"],
    "cherry-pick": ["cherry-pick", "other"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_git_unites_them_once_the_driver_is_registered(branches, command):
    register(branches)
    done = small.git(branches, *COMMANDS[command], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = lock_merge._read(branches / "dvc.lock")["stages"]
    assert stages == {"first": A, "here": C, "there": B}
    assert small.git(branches, "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_before_that_git_merges_text(branches, command):
    done = small.git(branches, *COMMANDS[command], check=False)
    assert done.returncode != 0
    assert "<<<<<<<" in (branches / "dvc.lock").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_git_stops_where_both_changed_a_stage_and_the_file_can_be_read(branches, command):
    register(branches)
    small.git(branches, "switch", "--quiet", "other")
    save(branches, lock(first=B, there=B), "first, there")
    small.git(branches, "switch", "--quiet", "main")
    save(branches, lock(first=C, here=C), "first, here")
    done = small.git(branches, *COMMANDS[command], check=False)
    assert done.returncode != 0
    assert "kept as ours: first. " in done.stdout + done.stderr
    kept = lock_merge._read(branches / "dvc.lock")["stages"]["first"]
    assert kept == (B if command == "rebase" else C), "in a rebase, ours is what one rebases onto"
    assert small.git(branches, "diff", "--name-only", "--diff-filter=U").stdout.split() == ["dvc.lock"]


def test_a_linked_working_tree_has_the_driver_too(branches, tmp_path):
    register(branches)
    small.git(branches, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "main")
    small.git(tmp_path / "linked", "merge", "--no-edit", "other")
    assert lock_merge._read(tmp_path / "linked/dvc.lock")["stages"] == {"first": A, "here": C, "there": B}


def test_registering_changes_nothing_around_a_download_without_git(tmp_path):
    """A ZIP download unpacked inside another repository: that one's config is not ours."""
    small.git(tmp_path, "init", "--quiet")
    (tmp_path / "download").mkdir()
    done = subprocess.run([str(ROOT / "tools/register_merge.sh")], cwd=tmp_path / "download", env=small.ENVIRONMENT)
    assert done.returncode == 0
    assert small.git(tmp_path, "config", "merge.dvclock.driver", check=False).stdout == ""
