"""How many stages a machine carries."""

import os

import joblib
import pytest

from ladder.running import machine

LISTED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-2222-3333-4444-555555555555)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-66666666-7777-8888-9999-aaaaaaaaaaaa)
"""
GPUS = ["GPU-11111111-2222-3333-4444-555555555555", "GPU-66666666-7777-8888-9999-aaaaaaaaaaaa"]


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_devices_are_those_that_the_driver_lists(two_gpus):
    assert machine.gpus() == GPUS


@pytest.mark.parametrize(("allowed", "devices"), [("1", ["1"]), ("0,1", ["0", "1"]), ("", []), ("-1", [])])
def test_or_those_that_are_allowed(two_gpus, monkeypatch, allowed, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert machine.gpus() == devices


def test_a_machine_without_a_driver_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.gpus() == []


def test_one_stage_on_each_device():
    assert machine.default_jobs(GPUS) == 2


@pytest.mark.parametrize(
    ("text", "jobs"),
    [("hardware: {threads: 2}", 4), ("hardware: {threads: 3}", 2), ("hardware: {threads: 99}", 1), ("seed: 0", 8)],
)
def test_else_cores_by_the_threads_of_a_stage(monkeypatch, tmp_path, text, jobs):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    (tmp_path / "params.yaml").write_text(text)
    assert machine.default_jobs([], tmp_path / "params.yaml") == jobs


def test_a_pipeline_without_params_has_a_stage_on_each_core(monkeypatch, tmp_path):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    assert machine.default_jobs([], tmp_path / "params.yaml") == 8
    assert machine.free_memory_gb() > 0
