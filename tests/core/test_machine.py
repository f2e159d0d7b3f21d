"""What the machine lacks ends a stage in one line: a full disk, permission, memory; and so do signals."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from imports import SRC
from ladder.core import memory
from ladder.core.artifacts import checkpoints, files, predictions, sealed, splits
from ladder.core.errors import InputError, exit_on_input_error
from ladder.core.types import Checkpoint, Logits, Predictions
from ladder.deploy import onnx_files
from ladder.drawing import style
from ladder.training.resume import Session


def message(action, capsys) -> str:
    """What a command prints that does this, and ends by with exit code 1."""
    with pytest.raises(SystemExit) as end:
        exit_on_input_error(lambda *_: action())
    assert isinstance(end.value.code, str), "a message means exit code 1"
    assert len(end.value.code.splitlines()) == 1
    return end.value.code


def big_answers() -> Predictions:
    part = Logits(np.zeros((3000, 10), np.float32), np.zeros(3000, np.int64), np.arange(3000))
    return Predictions(part, part, tuple("abcdefghij"), {})


def draw(path: Path) -> None:
    with style.canvas(path, 9, 9) as figure:
        figure.add_axes((0, 0, 1, 1)).imshow(np.random.default_rng(0).random((900, 900)))


WRITERS = {
    "checkpoint": lambda disk, split: checkpoints.save(disk / "a", Checkpoint({}, {"w": torch.zeros(50_000)})),
    "predictions": lambda disk, split: predictions.save(disk / "a.npz", big_answers()),
    "split": lambda disk, split: splits.save(disk, split_of(split, 900)),
    "ONNX model": lambda disk, split: onnx_files.save(disk / "a.onnx", bytes(200_000), {}),
    "resume state": lambda disk, split: Session("a", disk, disk / "history.csv").epoch_done(
        {"model": torch.zeros(50_000), "history": [{"epoch": 1}]}
    ),
    "CSV": lambda disk, split: files.write_csv(disk / "a.csv", pd.DataFrame({"a": np.arange(50_000)})),
    "JSON": lambda disk, split: files.write_json(disk / "a.json", list(range(50_000))),
    "picture": lambda disk, split: draw(disk / "a.png"),
}


def split_of(split, images: int):
    from dataclasses import replace

    return replace(split, train=split.train.take(np.arange(images) % len(split.train)))


@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_is_named_and_nothing_half_written_stays(what, tiny_disk, split, capsys):
    said = message(lambda: WRITERS[what](tiny_disk, split), capsys)
    assert f"the disk is full: {tiny_disk}/" in said
    assert f"{tiny_disk}, with 0." in said
    assert "MB free of 0.1 MB" in said
    assert ("0.2 MB were to be written" in said) == (what in ("checkpoint", "ONNX model", "resume state"))
    assert [path.name for path in tiny_disk.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: some/file could not be written: /"),
        (errno.EDQUOT, "or this user's share of it, is used up"),
        (errno.EROFS, "some/file cannot be written: / is a read-only file system"),
        (errno.EACCES, "some/file: this user has no permission"),
        (errno.EPERM, "some/file: this user has no permission"),
        (errno.EFBIG, "some/file would be larger than allowed"),
        (errno.ENOMEM, "out of memory"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_errors_of_the_system_are_said_in_words(number, words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir("/")

    def fail() -> None:
        raise OSError(number, os.strerror(number), "some/file") if named else OSError(number, os.strerror(number))

    assert words.replace("some/file", "some/file" if named else "a file") in message(fail, capsys)


def test_a_read_only_folder_is_named(tiny_disk, capsys):
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    said = message(lambda: files.write_json(tiny_disk / "new/a.json", {}), capsys)
    assert f"{tiny_disk}/new cannot be written: {tiny_disk} is a read-only file system" in said


def test_a_full_disk_behind_an_error_of_closing_is_still_found(capsys):
    def fail() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise ValueError("Can't close the ZIP file while there is an open writing handle on it")  # as zipfile does

    assert "the disk is full" in message(fail, capsys)


OUT_OF_MEMORY = {
    "Python": MemoryError(),
    "NumPy": np._core._exceptions._ArrayMemoryError((9, 9), np.dtype(float)),
    "torch, CPU": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 4 bytes"),
    "torch, GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ..."),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "ONNX Runtime": RuntimeError("std::bad_alloc"),
    "the system": OSError(errno.ENOMEM, "Cannot allocate memory"),
}


@pytest.mark.parametrize("whose", OUT_OF_MEMORY)
def test_out_of_memory_names_the_params_to_lower_and_to_what(whose, capsys):
    def fail() -> None:
        raise OUT_OF_MEMORY[whose]

    def trains() -> None:
        with memory.lowering({"resnet.batch_size": 128, "resnet.input_size": 225}):
            fail()

    assert "lower resnet.batch_size from 128 to 64 or resnet.input_size from 225 to 112 in params.yaml" in message(
        trains, capsys
    )
    assert re.search(r"out of memory \(.+\): end other programs, run fewer .* JOBS=1", message(fail, capsys))


def test_a_real_failure_to_allocate_is_recognized(capsys):
    assert "out of memory" in message(lambda: torch.empty(10**15), capsys)
    assert "out of memory" in message(lambda: np.zeros(10**15), capsys)


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("shape mismatch"), OSError(errno.EINVAL, "odd")])
def test_our_own_errors_keep_their_traceback(error):
    def fail(*_) -> None:
        raise error

    with pytest.raises(type(error)), memory.lowering({}):
        fail()
    with pytest.raises(type(error)):
        exit_on_input_error(fail)


def test_a_mistake_after_a_handled_error_is_not_taken_for_it():
    def fail(*_) -> None:
        try:
            raise PermissionError(errno.EACCES, "no")
        except PermissionError:
            {}["a mistake"]

    with pytest.raises(KeyError):
        exit_on_input_error(fail)


def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path):
    with pytest.raises(InputError, match=r"some may not be read by this user: `chmod"), sealed.reading("some", "", ""):
        raise PermissionError(errno.EACCES, "Permission denied", "some")


CODE = """
import sys, time
sys.path.insert(0, {src!r})
from pathlib import Path
from ladder.core import runs
from ladder.core.errors import exit_on_input_error, Terminated
def main():
    with runs.stage("some", lambda params: params.evaluate, inputs=["in"], outputs=["out/result"]):
        Path("out").mkdir()
        Path("out/result").write_text("half")
        try:
            print("in", flush=True)
            time.sleep(60)
        except (KeyboardInterrupt, Terminated) as stop:
            {note}
            raise
exit_on_input_error(main)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("pass", "-c stopped; the same command goes on\n"),
        ("stop.add_note('a stopped after epoch 3')", "a stopped after"),
    ],
)
def test_a_signal_ends_a_stage_in_one_line(workspace, number, code, note, said):
    Path("in").write_text("pixels")
    command = [sys.executable, "-c", CODE.format(src=str(SRC), note=note)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in\n"
        process.send_signal(number)
        process.send_signal(number)  # whoever presses twice must not cut off the cleaning up
        _, errors = process.communicate()
    assert process.returncode == code
    assert errors.startswith(said)
    assert len(errors.splitlines()) == 1
    assert not Path("out/result").exists()


IMPORTING = """
import sys
sys.path.insert(0, {src!r})
from ladder import params
{then}
"""


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("raise KeyboardInterrupt", 130, "-c stopped; the same command goes on\n"),
        (
            "raise ImportError('libtorch.so: failed to map segment from shared object')",
            1,
            "-c: out of memory while it was imported (libtorch",
        ),
        ("raise MemoryError", 1, "-c: out of memory while it was imported (MemoryError): end"),
    ],
)
def test_what_ends_a_command_while_it_imports_is_one_line(then, code, said):
    done = subprocess.run([sys.executable, "-c", IMPORTING.format(src=str(SRC), then=then)], capture_output=True)
    assert (done.returncode, done.stderr.count(b"\n")) == (code, 1)
    assert done.stderr.decode().startswith(said)


def test_other_errors_of_an_import_keep_their_traceback():
    command = [sys.executable, "-c", IMPORTING.format(src=str(SRC), then="import ladder.nothing")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "No module named 'ladder.nothing'" in done.stderr


def test_handlers_of_signals_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    exit_on_input_error(lambda *_: None)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
