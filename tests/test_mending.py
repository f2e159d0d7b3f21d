"""What kills and bad disks leave in DVC's own files: tools/mend_lock.py and tools/mend_cache.py."""

import json
import os
import re
import stat
import time
from pathlib import Path

import pytest

from imports import ROOT, SRC
from pipeline import Pipeline, ran

WRITE = "import pathlib; d = pathlib.Path('out'); d.mkdir(exist_ok=True); [(d / n).write_text(n * 900) for n in 'ab']"
STAGES = {
    "make": {"cmd": f'python -c "{WRITE}"', "deps": ["images"], "outs": ["out"]},
    "use": {"cmd": "cat out/a out/b > used", "deps": ["out"], "outs": ["used"]},
}


@pytest.fixture(params=["copy", "hardlink", "symlink"])
def made(tmp_path, request) -> Pipeline:
    """Two stages, run and committed, in a repository whose cache is linked in one of DVC's ways."""
    return create(tmp_path, request.param)


def create(folder: Path, link: str = "copy") -> Pipeline:
    made = initialized(folder, STAGES)
    made.run("dvc", "config", "cache.type", link)
    made.run("dvc", "repro")
    made.commit("made")
    return made


def initialized(folder: Path, stages: dict) -> Pipeline:
    made = Pipeline(folder)
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.run("dvc", "init", "--quiet")
    (folder / "images").write_text("pixels")
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    return made


def tool(made: Pipeline, name: str, check: bool = True) -> str:
    return made.run("env", f"PYTHONPATH={SRC}", "python", str(ROOT / f"tools/{name}.py"), check=check)


def cached(made: Pipeline, path: str) -> Path:
    """The object of DVC's cache that holds what the file holds."""
    content = (made.folder / path).read_bytes()
    return next(path for path in (made.folder / ".dvc/cache/files/md5").glob("??/*") if path.read_bytes() == content)


def damage(path: Path) -> None:
    """Flip a byte in the middle as a bad disk does: size, time and mode stay."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(content)
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def checked_out(made: Pipeline) -> str:
    """What a fresh checkout of all results gives."""
    made.run("rm", "-rf", "out", "used")
    made.run("dvc", "checkout")
    return "".join((made.folder / name).read_text() for name in ("out/a", "out/b", "used"))


WHOLE = "a" * 900 + "b" * 900 + "a" * 900 + "b" * 900


@pytest.mark.slow
def test_a_damaged_object_of_the_cache_is_mended_and_forcing_a_stage_would_not_do(made):
    damage(cached(made, "out/a"))
    made.run("rm", "-rf", "out")
    made.run("dvc", "checkout")
    assert (made.folder / "out/a").read_text() != "a" * 900, "DVC hands the damage out"
    assert not ran(made.run("dvc", "repro")), "and does not see it"
    made.run("dvc", "repro", "-f", "make")
    assert checked_out(made) != WHOLE, "it keeps the damaged object"

    said = tool(made, "mend_cache")
    assert "1 damaged and removed" in said
    assert "removed: out;" in said
    made.run("dvc", "repro", "use")
    assert checked_out(made) == WHOLE
    assert "0 damaged" in tool(made, "mend_cache")


@pytest.mark.slow
def test_a_damaged_listing_of_a_folder_is_mended(made):
    (listing,) = (made.folder / ".dvc/cache/files/md5").glob("??/*.dir")
    damage(listing)
    assert "1 damaged and removed, 1 written again" in tool(made, "mend_cache")
    assert checked_out(made) == WHOLE


@pytest.mark.slow
def test_an_object_comes_back_from_a_whole_result_and_nothing_runs(tmp_path):
    made = create(tmp_path)
    damage(cached(made, "out/b"))
    said = tool(made, "mend_cache")
    assert "1 damaged and removed, 1 written again" in said
    assert "removed:" not in said
    assert not ran(made.run("dvc", "repro"))
    assert checked_out(made) == WHOLE


@pytest.mark.slow
def test_a_damaged_result_comes_back_from_a_whole_cache(tmp_path):
    made = create(tmp_path)
    damage(made.folder / "used")
    assert not ran(made.run("dvc", "repro")), "DVC goes by size and time"
    assert "removed: used;" in tool(made, "mend_cache")
    assert not ran(made.run("dvc", "repro"))
    assert (made.folder / "used").read_text() == "a" * 900 + "b" * 900


# dvc.lock and the list of locks


CUT = {
    "empty": lambda content: b"",
    "half": lambda content: content[: content.rindex(b"outs:") + 3],
    "half that DVC reads": lambda content: content[: content.index(b"md5:") + 20],
    "whole lines": lambda content: content[: content.rindex(b"  use:")],
    "one line": lambda content: content[:12],
    "zeros": lambda content: bytes(len(content)),
    "foreign": lambda content: b"[]\n",
}


READABLE = ("half that DVC reads", "whole lines")  # with fewer stages, whose results would be forgotten


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "since"),
    [
        (how, since)
        for how in CUT
        for since in ("committed", "kept", "never")
        if (how, since) != ("whole lines", "never")
    ],
)
def test_a_lock_cut_short_is_mended_and_the_run_cache_has_the_rest(tmp_path, how, since):
    made = create(tmp_path)
    lock = made.folder / "dvc.lock"
    whole = lock.read_bytes()
    if since == "kept":
        assert tool(made, "mend_lock") == ""
        lock.unlink()
        made.commit("without a lock")
    elif since == "never":
        lock.unlink()
        made.commit("without a lock")
    lock.write_bytes(CUT[how](whole))
    if how not in READABLE:
        assert "dvc.lock" in made.run("dvc", "repro", check=False), "DVC stops"
    said = tool(made, "mend_lock")
    whose = {"committed": "that of the last commit", "kept": "the last whole one", "never": "none: DVC writes it anew"}
    assert f"is now {whose[since]};" in said
    assert not ran(made.run("dvc", "repro"))
    assert lock.read_bytes() == whole
    assert tool(made, "mend_lock") == ""


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", '{"read": {', "[]"])
def test_a_list_of_locks_cut_short_is_removed(tmp_path, content):
    made = create(tmp_path)
    made.run("rm", "used")
    (made.folder / ".dvc/tmp/rwlock").write_text(content)
    assert "rwlock" in made.run("dvc", "repro", check=False)
    assert "rwlock was cut short" in tool(made, "mend_lock")
    made.run("dvc", "repro")


@pytest.mark.slow
def test_the_lock_of_a_branch_with_fewer_stages_is_left_as_it_is(tmp_path):
    made = create(tmp_path)
    assert tool(made, "mend_lock") == ""
    lock = made.folder / "dvc.lock"
    fewer = CUT["whole lines"](lock.read_bytes())
    lock.write_bytes(fewer)
    made.commit("another branch")
    assert tool(made, "mend_lock") == ""
    assert lock.read_bytes() == fewer


@pytest.mark.slow
def test_a_merge_conflict_is_left_to_whoever_has_it(tmp_path):
    made = create(tmp_path)
    lock = made.folder / "dvc.lock"
    lock.write_text("<<<<<<< ours\n" + lock.read_text())
    before = lock.read_bytes()
    assert "conflicts of a merge" in tool(made, "mend_lock", check=False)
    assert lock.read_bytes() == before


@pytest.mark.slow
def test_nothing_is_mended_while_another_dvc_may_be_writing(tmp_path):
    import zc.lockfile

    made = create(tmp_path)
    (made.folder / "dvc.lock").write_text("")
    writing = zc.lockfile.LockFile(str(made.folder / ".dvc/tmp/lock"))
    assert tool(made, "mend_lock") == ""
    writing.close()
    assert (made.folder / "dvc.lock").read_text() == ""


def held(folder: Path) -> str:
    """What tools/held.py says in a folder, after its name."""
    return Pipeline(folder).run("python", str(ROOT / "tools/held.py"), "clean", check=False).removeprefix("clean: ")


@pytest.mark.parametrize("below", ["", ".demo"])
@pytest.mark.parametrize(
    ("lock", "named"), [(".ladder/locks/train_aug.lock", "train_aug"), (".dvc/tmp/repro.lock", "make repro")]
)
def test_clean_names_what_runs_and_leaves_it(tmp_path, below, lock, named):
    from filelock import FileLock

    path = tmp_path / below / lock
    path.parent.mkdir(parents=True)
    with FileLock(path):
        assert held(tmp_path) == f"{named} runs, and nothing was removed: wait for it or stop it first\n"
    assert held(tmp_path) == ""


def test_clean_knows_a_dvc_whose_stage_has_not_taken_its_lock_yet(tmp_path):
    """A stage takes some seconds to import what it needs."""
    stages = {"only": {"cmd": "touch runs; while [ ! -e may_end ]; do sleep 0.1; done", "deps": ["images"]}}
    made = initialized(tmp_path, stages)
    with made.start("dvc", "repro") as process:
        while not (tmp_path / "runs").exists():
            assert process.poll() is None
            time.sleep(0.05)
        note = (tmp_path / ".dvc/tmp/rwlock").read_text()
        assert re.fullmatch(r"dvc \(process \d+\) runs, and nothing was removed: .*\n", held(tmp_path))
        (tmp_path / "may_end").touch()
        process.communicate()
    assert held(tmp_path) == ""
    (tmp_path / ".dvc/tmp/rwlock").write_text(note)  # as one that was killed leaves it
    assert held(tmp_path) == ""


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"read": []}', '{"read": {"a": [3]}}', '{"read": {"a": {"pid": 1}}}']
)
def test_a_list_of_locks_cut_short_tells_nothing_of_what_runs(tmp_path, content):
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").write_text(content)
    assert held(tmp_path) == ""
