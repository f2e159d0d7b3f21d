"""Fixtures that several test files use."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported, and for the processes that tests start: tiny work is slower on two threads than on one, and
# far slower where other processes want the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What `make` tells those below it: a make that a test starts would print where it is, and take over its caller's flags.
for told in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"):
    os.environ.pop(told, None)
# Where the tests run in a shell's background, Ctrl-C is ignored, which the processes that they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest

from fuzzing import COUNTS, EXAMPLES
from imports import ROOT
from ladder import params, presets
from ladder.core.types import Part, Split


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """An empty folder with params.yaml under the `tiny` preset, as the current folder, with no DVC around it."""
    for name in ("params.yaml", "ladder.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    presets.apply("tiny")
    return tmp_path


@pytest.fixture
def tiny(workspace) -> params.Params:
    return params.read()


def colored(per_class: int, first_id: int, seed: int, size: int = 8) -> Part:
    """Three classes of noisy red, green and blue images: learnable in a few steps."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class).astype(np.int64)
    images = draw.integers(0, 100, (len(labels), 3, size, size)).astype(np.uint8)
    images[np.arange(len(labels)), labels] += 100
    return Part(images, labels, np.arange(first_id, first_id + len(labels), dtype=np.int64))


@pytest.fixture
def split() -> Split:
    """64 images in all, 8 px."""
    train = colored(12, 0, seed=1)
    scaled = train.images / 255
    return Split(
        train=train,
        val=colored(4, 100, seed=2),
        test=colored(5, 200, seed=3),
        classes=("red", "green", "blue"),
        mean=tuple(scaled.mean((0, 2, 3)).tolist()),
        std=tuple(scaled.std((0, 2, 3)).tolist()),
        source="digits",
        digest="0" * 64,
    )


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[Path]:
    """A file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def pytest_terminal_summary(terminalreporter) -> None:
    """After a long run of the property-based tests: how many examples of each kind there were."""
    if EXAMPLES and COUNTS:
        terminalreporter.section("examples by kind")
        for kind, number in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{number:9,}  {'  '.join(kind)}")
