"""docs/benchmark.md on made-up measurements: every figure, the columns that a machine has, the warning, bad files."""

import runpy

import pandas as pd
import pytest
from PIL import Image

from imports import ROOT
from ladder.core.artifacts import files
from ladder.core.errors import InputError
from ladder.deploy import latency
from ladder.reporting import benchmark

ROW = {
    "name": "distill_static", "engine": "ONNX Runtime", "device": "cpu", "precision": "int8 in 54 of 54 layers",
    "accuracy": 0.78754, "parameters": 1528106, "macs": 16012345, "file_mb": 1.7234, "load_ms": 23.4,
    "peak_memory_mb": 67.2, "p50_ms_1_thread": 0.474, "p90_ms_1_thread": 0.561, "mean_ms_1_thread": 0.5,
    "images_per_s_batch_32": 4358.2, "images_per_s_batch_256": 4650.6,
}  # fmt: skip
ALL_THREADS = {"p50_ms_all_threads": 0.5, "p90_ms_all_threads": 4.564, "mean_ms_all_threads": 1.39}
MACHINE = {"processor": "A|B CPU, 2 logical cores", "GPU": "none", "load by other programs": "0.01 cores"}


def measured(row: dict, machine: dict) -> None:
    files.write_csv(benchmark.TABLE, pd.DataFrame([row, row | {"name": "distill_float"}]))
    files.write_csv(benchmark.MACHINE, pd.DataFrame(machine.items(), columns=["what", "value"]))


def test_every_figure_is_shown(workspace):
    measured(ROW | ALL_THREADS, MACHINE)
    text = benchmark.text()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert dict(zip(lines[0], lines[2], strict=True)) == {
        "model": "`distill_static`",
        "runs in": "ONNX Runtime, cpu",
        "arithmetic": "int8 in 54 of 54 layers",
        "accuracy": "78.75%",
        "parameters (M)": "1.53",
        "MACs (M)": "16.0",
        "file (MB)": "1.72",
        "load (ms)": "23",
        "memory (MB)": "67",
        "1 thread, p50 / p90 / mean (ms)": "0.47 / 0.56 / 0.50",
        "all threads, p50 / p90 / mean (ms)": "0.50 / 4.56 / 1.39",
        "images/s at 32": "4,358",
        "images/s at 256": "4,651",
    }
    assert len(lines) == 4
    assert len(lines[1]) == 13
    assert "\n- processor: A\\|B CPU, 2 logical cores\n- GPU: none\n- load by other programs: 0.01 cores\n" in text
    assert "normalizing and resizing are included" in text
    assert "](../plots/benchmark/benchmark.png)" in text
    assert "Other programs" not in text
    assert "\n\n\n" not in text


def test_a_machine_of_one_thread_has_a_column_less(workspace):
    measured(ROW, MACHINE)
    lines = [line.strip("| ").split(" | ") for line in benchmark.text().splitlines() if line.startswith("|")]
    assert [len(line) for line in lines] == [12] * 4
    assert not any("all threads" in cell for cell in lines[0])


@pytest.mark.parametrize(("load", "warned"), [("0.10 cores", False), ("0.11 cores", True), ("1.50 cores", True)])
def test_a_busy_machine_is_said(workspace, load, warned):
    measured(ROW, MACHINE | {"load by other programs": load})
    text = benchmark.text()
    assert ("\n**Other programs were using the processor: the figures are worse than" in text) == warned
    assert "\n\n\n" not in text


def test_busy_is_what_the_stage_calls_so():
    assert benchmark.BUSY == latency.BUSY


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (benchmark.TABLE, None, r"benchmark\.csv cannot be read .*`dvc repro` makes it"),
        (benchmark.TABLE, b"", r"benchmark\.csv is no table"),
        (benchmark.TABLE, b"\xff\xfe\x00", r"benchmark\.csv cannot be read"),
        (benchmark.TABLE, b'a,b\n1,"2\n', r"benchmark\.csv is no table"),
        (benchmark.TABLE, b"name,engine\na,b\n", r"benchmark\.csv has no column device, precision, accuracy, "),
        (benchmark.TABLE, f"{','.join(benchmark.COLUMNS)}\n".encode(), r"benchmark\.csv has no row"),
        (benchmark.MACHINE, None, r"machine\.csv cannot be read"),
        (benchmark.MACHINE, b"what,value\nGPU,none\n", r"machine\.csv has no row processor, load by other programs"),
        (
            benchmark.MACHINE,
            b"what,value\nprocessor,x\nload by other programs,much\n",
            r"machine\.csv: load by other programs must be a number of cores, not 'much'",
        ),
    ],
)
def test_a_bad_file_is_named(workspace, path, content, message):
    measured(ROW, MACHINE)
    if content is None:
        (workspace / path).unlink()
    else:
        (workspace / path).write_bytes(content)
    with pytest.raises(InputError, match=message):
        benchmark.text()


def test_the_stage_shows_the_same_on_a_page_of_its_own(workspace):
    measured(ROW | ALL_THREADS, MACHINE)
    Image.new("RGB", (64, 48), "white").save(benchmark.PICTURE)
    runpy.run_path(str(ROOT / "stages/benchmark_page.py"))["main"]()
    page = (workspace / "benchmark.html").read_text(encoding="utf-8")
    assert "<title>Benchmark</title>" in page
    assert page.count("<tr>") == 3, "two models below the heading"
    assert "A|B CPU, 2 logical cores" in page
    assert 'src="data:image/png;base64,' in page
    runpy.run_path(str(ROOT / "stages/benchmark_page.py"))["main"]()
    assert (workspace / "benchmark.html").read_text(encoding="utf-8") == page
