"""Several stages at a time: on small pipelines of shell stages, with DVC itself."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil
import pytest

import small
from small import repro, stage, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups")

# b and c run at the same time or never end: each waits for the other
MEET = "touch here_{me}; for i in $(seq 600); do [ -e here_{other} ] && break; sleep 0.1; done; [ -e here_{other} ]"
DIAMOND = {
    "a": stage("a"),
    "b": stage("b", ("a",), MEET.format(me="b", other="c")),
    "c": stage("c", ("a",), MEET.format(me="c", other="b")),
    "d": stage("d", ("b", "c")),
}


def test_a_diamond_side_by_side_then_nothing(tmp_path):
    folder = small.create(tmp_path, DIAMOND)
    done = repro(folder, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    order = started(folder)
    assert (order[0], set(order[1:3]), order[3:]) == ("a", {"b", "c"}, ["d"])
    assert (folder / "d").read_text() == "a\nb\na\nc\nd\n"
    assert "4 of 4 stages are stale or may become so; 2 at a time" in done.stdout
    assert "a | Running stage 'a':" in done.stdout
    assert "To track the changes" not in done.stdout
    assert done.stdout.rstrip().endswith("0 left")

    plain = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=folder, env=small.ENVIRONMENT, text=True,
                           capture_output=True, check=True)  # fmt: skip
    assert "up to date" in plain.stdout, "all of it is in dvc.lock"
    again = repro(folder)
    assert (again.returncode, again.stdout) == (0, "Data and pipelines are up to date.\n")
    assert len(started(folder)) == 4


def test_what_is_up_to_date_is_not_started_and_targets_take_what_they_need(tmp_path):
    stages = DIAMOND | {"b": stage("b", ("a",)), "c": stage("c", ("a",)), "other": stage("other")}
    folder = small.create(tmp_path, stages)
    assert repro(folder, "b", "--jobs", "8").returncode == 0, "more jobs than stages"
    assert started(folder) == ["a", "b"]
    small.forget(folder)
    done = repro(folder, "d")
    assert done.returncode == 0
    assert started(folder) == ["c", "d"]
    assert "2 of 4 stages" in done.stdout
    small.forget(folder)
    (folder / "a").write_text("someone's own\n")
    done = repro(folder, "d")
    assert done.returncode == 0
    assert "4 of 4 stages" in done.stdout
    assert started(folder) == ["a"], "it ends as it was, so what follows from it is up to date after all"
    assert (folder / "a").read_text() == "a\n"


def test_members_of_a_foreach_share_a_command_and_have_their_names(tmp_path):
    each = {"cmd": "echo each@${item} >> started; echo $DVC_STAGE; cat a > e_${item}", "deps": ["a"]}
    folder = small.create(
        tmp_path,
        {
            "a": stage("a"),
            "each": {"foreach": ["x", "y", "z"], "do": each | {"outs": ["e_${item}"]}},
            "last": stage("last", ("e_x", "e_y", "e_z")),
        },
    )
    done = repro(folder, "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(folder) == ["a", "each@x", "each@y", "each@z", "last"]
    assert done.stdout.count("Use `dvc push`") == 3, "a, last, and the three together"
    for name in ("each@x", "each@y", "each@z"):
        assert f"{name} | {name}" in done.stdout.splitlines()
    small.forget(folder)
    (folder / "e_y").unlink()
    assert repro(folder, "each@y").returncode == 0
    assert (folder / "e_y").exists()


def test_what_waits_for_a_member_does_not_wait_for_the_others(tmp_path):
    """With two places, x and y share a command, and y ends only once what follows from x has started."""
    then = "if [ ${item} = y ]; then for i in $(seq 600); do [ -e here ] && break; sleep 0.1; done; [ -e here ]; fi"
    each = {"cmd": f"{then} && touch e_${{item}}", "outs": ["e_${item}"]}
    folder = small.create(
        tmp_path,
        {
            "each": {"foreach": ["x", "y", "u", "v"], "do": each},
            "after": stage("after", ("e_x",), "touch here"),
        },
    )
    done = repro(folder, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("0 left")


def test_a_failure_stops_the_others_and_names_the_stage(tmp_path):
    wait = "for i in $(seq 600); do [ -s process ] && exit 3; sleep 0.1; done"
    folder = small.create(
        tmp_path,
        {
            "fails": stage("fails", (), wait),
            "long": stage("long", (), "echo $$ > process; sleep 600"),
            "rest": stage("rest", ("fails",)),
        },
    )
    done = repro(folder, "--jobs", "2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "repro: fails failed: see its lines above; stopped with it: long. The same command goes on from here"
    )
    assert "rest" not in started(folder)
    assert not small.is_running(int((folder / "process").read_text()))


def test_a_result_that_dvc_cannot_keep_is_no_success(tmp_path, tiny_disk):
    """Of a folder that it cannot copy into its cache, DVC says so in a line, records the result and exits with 0."""
    folder = tmp_path / "repository"
    folder.mkdir()
    small.create(
        folder, {"a": stage("a", (), "mkdir -p b && seq 50000 > b/x", outs=["a", "b"]), "c": stage("c", ("a",))}
    )
    (folder / ".dvc/cache").symlink_to(tiny_disk)
    done = repro(folder)
    assert done.returncode == 1
    where = rf"see its lines above \({tiny_disk}\S* has 0\.\d MB free\)"
    said = f"repro: DVC could not write what a made into its cache: {where}"
    assert re.match(said, done.stderr)
    assert started(folder) == ["a"]
    (folder / ".dvc/cache").unlink()
    subprocess.run(["dvc", "commit", "a"], cwd=folder, env=small.ENVIRONMENT, check=True, capture_output=True)
    assert repro(folder).returncode == 0
    assert started(folder) == ["a", "c"]


def test_the_member_that_failed_is_named(tmp_path):
    each = {"cmd": "[ ${item} != y ] && touch e_${item}", "outs": ["e_${item}"]}
    folder = small.create(tmp_path, {"each": {"foreach": ["x", "y", "z"], "do": each}})
    done = repro(folder, "--jobs", "1")
    assert done.returncode == 1
    assert "repro: each@y failed: see its lines above. The" in done.stderr
    assert (folder / "e_x").exists()
    assert not (folder / "e_z").exists()


SLOW = {  # `second` ends once it may; a stage that ignores SIGTERM is killed
    "first": stage("first"),
    "second": stage(
        "second", ("first",), "trap '' TERM; echo $$ > process; while [ ! -e may_end ]; do sleep 0.1; done"
    ),
    "third": stage("third", ("second",)),
}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_outlives_the_scheduler_and_a_second_start_goes_on(tmp_path, number, code):
    folder = small.create(tmp_path, SLOW)
    process = small.start(folder)
    small.until(lambda: (folder / "process").exists() and (folder / "process").read_text().endswith("\n"))
    stage_process = int((folder / "process").read_text())
    _, errors = small.end(process, number)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert errors == "repro: stopped; the same command goes on\n"
        assert not small.is_running(stage_process), "it was waited for"
    small.until(lambda: not small.is_running(stage_process), seconds=30)

    (folder / "may_end").touch()
    done = repro(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(folder) == ["first", "second", "second", "third"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_stage_says_where_it_was_stopped(tmp_path, number):
    says = """trap 'echo "{0} stopped after epoch 3; the same command goes on"; exit 143' TERM"""
    waits = says + "; touch {0}_runs; while true; do sleep 0.1; done"
    folder = small.create(tmp_path, {name: stage(name, (), waits.format(name)) for name in ("one", "two")})
    process = small.start(folder, "--jobs", "2")
    small.until(lambda: (folder / "one_runs").exists() and (folder / "two_runs").exists())
    said, errors = small.end(process, number)
    assert sorted(said.splitlines()[-2:]) == [
        "one | one stopped after epoch 3; the same command goes on",
        "two | two stopped after epoch 3; the same command goes on",
    ]
    assert errors == "repro: stopped; the same command goes on\n"


def test_a_second_one_in_the_same_repository_waits(tmp_path):
    folder = small.create(tmp_path, SLOW)
    first = small.start(folder)
    small.until((folder / "process").exists)
    second = small.start(folder)
    assert second.stdout is not None
    assert second.stdout.readline() == (
        f"repro: another one, process {first.pid}, runs in this repository: waiting for its end\n"
    )
    (folder / "may_end").touch()
    assert first.wait(timeout=60) == 0
    assert second.communicate(timeout=60)[0] == "Data and pipelines are up to date.\n"
    assert second.returncode == 0
    first.communicate()


def test_a_dvc_that_is_killed_leaves_no_stage_behind(tmp_path):
    folder = small.create(tmp_path, {"only": stage("only", (), "echo $PPID $$ > process; sleep 600")})
    process = small.start(folder)
    small.until(lambda: (folder / "process").exists() and (folder / "process").read_text().endswith("\n"))
    dvc, command = map(int, (folder / "process").read_text().split())
    os.kill(dvc, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("repro: only failed")
    assert not small.is_running(command)


@pytest.mark.parametrize("age", [0, 3600], ids=["before it ended", "before another got its number"])
def test_only_who_still_runs_is_in_the_way(tmp_path, age):
    """DVC itself takes one that was killed and not yet waited for, or whose number another one has, for running."""
    folder = small.create(tmp_path, DIAMOND)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        written = psutil.Process(process.pid).create_time() + 0.1 - age
        note_of(process.pid, folder, written)
        if not age:
            done = repro(folder)
            assert done.returncode == 1
            assert f"(PID {process.pid}): dvc repro a" in done.stderr
            assert started(folder) == []
            note_of(process.pid, folder, written)
            process.kill()
            small.until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        done = repro(folder)
        assert done.returncode == 0, done.stdout + done.stderr


def note_of(process: int, folder: Path, written: float) -> None:
    who = {"pid": process, "cmd": "dvc repro a"}
    path = folder / ".dvc/tmp/rwlock"
    path.write_text(json.dumps({"write": {str(folder / "a"): who}, "read": {str(folder / "b"): [who]}}))
    os.utime(path, (written, written))


def test_a_damaged_list_of_who_runs_is_named(tmp_path):
    folder = small.create(tmp_path, DIAMOND)
    (folder / ".dvc/tmp/rwlock").write_text("{")
    done = repro(folder)
    assert (done.returncode, started(folder)) == (1, [])
    assert done.stderr.startswith("repro: Unable to read RWLock-file")


def test_one_that_is_alone_runs_alone(tmp_path):
    folder = small.create(
        tmp_path,
        {
            "a": stage("a", ()),
            "timed": stage("timed", (), "[ -e a ] && [ -e b ]", meta={"alone": True}),
            "b": stage("b", (), "sleep 1"),
        },
    )
    done = repro(folder, "--jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(folder)[-1] == "timed"


def test_each_of_several_devices_has_one_stage(tmp_path):
    show = "echo device $CUDA_VISIBLE_DEVICES; " + MEET
    folder = small.create(
        tmp_path,
        {
            "b": stage("b", (), show.format(me="b", other="c")),
            "c": stage("c", (), show.format(me="c", other="b")),
            "timed": stage("timed", ("b", "c"), "echo device $CUDA_VISIBLE_DEVICES", meta={"alone": True}),
        },
    )
    done = repro(folder, CUDA_VISIBLE_DEVICES="3,5")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = dict(line.split(" | device ") for line in done.stdout.splitlines() if " | device " in line)
    assert {shown["b"], shown["c"]} == {"3", "5"}
    assert shown["timed"] == "3,5"


def test_a_terminal_shows_what_runs_and_what_is_left(tmp_path):
    folder = small.create(tmp_path, {"a": stage("a", (), "sleep 2"), "b": stage("b", ("a",))})
    terminal, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 80))
    process = subprocess.Popen(small.REPRO, cwd=folder, env=small.ENVIRONMENT, stdout=inner, stderr=inner)
    os.close(inner)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 1000)
        except OSError:  # what Linux says at the end
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    assert b"\ra 1 s | 2 left" in shown
    assert b"a | Running stage 'a':" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing_like_it"], "repro: '{folder}/nothing_like_it' does not exist"),
        (["--jobs", "0"], "expected a number of at least 1, not '0'"),
        (["--jobs", "two"], "expected a number of at least 1, not 'two'"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path, arguments, message):
    folder = small.create(tmp_path, {"a": stage("a")})
    done = repro(folder, *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert started(folder) == []


def test_outside_of_a_repository_and_with_a_broken_file(tmp_path):
    done = repro(tmp_path)
    assert (done.returncode, done.stderr.startswith("repro: you are not inside of a DVC repository")) == (1, True)
    folder = small.create(tmp_path, {"a": stage("a")})
    (folder / "dvc.yaml").write_text("stages: [")
    done = repro(folder)
    assert done.returncode == 1
    assert "dvc.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_make_hands_over_jobs_and_targets():
    root = Path(__file__).resolve().parents[2]
    command = ["make", "--dry-run", "--assume-old", "setup", "repro", "JOBS=2", "TARGETS=train_aug train_se"]
    recipe = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    assert "exec python -m ladder.running.repro --jobs 2 train_aug train_se\n" in recipe


def test_the_old_way_names_the_new_one():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(["make", "repro-rows", "PRESET=cpu"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 2  # make's own; its recipe's is 1
    assert done.stderr.startswith("make: repro-rows is gone: make repro PRESET=cpu JOBS=2 runs two stages at a time\n")
