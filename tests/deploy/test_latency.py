"""Benchmark arithmetic on known numbers, and the stage on tiny models; nothing here asserts a time."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_quantization import rungs, trained  # noqa: F401 (a fixture)

from ladder import params
from ladder.core.artifacts import checkpoints, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint
from ladder.deploy import latency
from ladder.training import models
from test_stages import main


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (99, 99), (100, 100), (1, 1), (90.5, 91)])
def test_percentiles_of_1_to_100(percent, expected):
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101))
    assert latency.percentile(values, percent) == expected


def test_a_percentile_is_a_value_that_was_measured():
    assert latency.percentile(np.array([1.0, 10.0]), 50) == 1
    assert latency.percentile(np.array([1.0, 10.0]), 51) == 10
    assert latency.percentile(np.array([7.0]), 90) == 7


def test_a_race_times_each_variant_as_often_as_asked_and_in_turns():
    calls = []
    images = np.zeros((7, 3, 2, 2), np.uint8)

    def variant(name):
        return lambda batch: calls.append((name, batch.shape[0]))

    taken = latency.race({"a": variant("a"), "b": variant("b")}, images, batch_size=3, queries=25, threads=1)
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 25, "b": 25}
    assert all((seconds >= 0).all() for seconds in taken.values())
    assert {size for _, size in calls} == {3}
    timed = "".join(name for name, _ in calls[2 * 2 :])  # two warm-ups of three images each
    assert timed == ("a" * 11 + "b" * 11) * 2 + "a" * 6 + "b" * 6  # a turn: one untimed query, then ten


def test_a_race_ends_with_the_round_in_which_its_time_is_over():
    calls = []
    images, over = np.zeros((7, 3, 2, 2), np.uint8), -1.0
    racing = {name: lambda batch, name=name: calls.append(name) for name in "ab"}
    taken = latency.race(racing, images, 1, 1000, 1, until=over)
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 10, "b": 10}, "all as often, one round"
    assert "".join(calls) == "ab" + "a" * 11 + "b" * 11


def test_a_batch_larger_than_the_images_repeats_them():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None]
    seen = []
    latency.race({"a": lambda batch: seen.append(batch.ravel().tolist())}, images, 8, queries=1, threads=1)
    assert seen[0] == [0, 1, 2, 3, 4, 0, 1, 2]


def test_parameters_and_multiply_accumulates_by_hand(tmp_path):
    """A convolution 3 -> 4, 3x3, on 8 x 8, and a linear layer."""
    recipe = params.Recipe(
        arch="test_resnet", weights="scratch", input_size=8, stem=None, drop_rate=0.0, epochs=1, batch_size=8,
        optimizer="sgd", lr=0.1, momentum=0.0, weight_decay=0.0, schedule="constant", warmup_epochs=0.0,
        label_smoothing=0.0,
    )  # fmt: skip
    model = params.Model(resize="bilinear")
    classifier = models.build(recipe, model, ("a", "b"), (0.5,) * 3, (0.2,) * 3, seed=0)
    checkpoints.save(tmp_path / "m", Checkpoint(classifier.config, classifier.state_dict()))
    macs = 0

    def count(module, inputs, output):
        nonlocal macs
        per_output = module.weight[0].numel()
        macs += output[0].numel() * per_output

    for module in classifier.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        classifier.eval()(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert latency.size(tmp_path / "m", 8) == (models.parameter_count(classifier), macs)


def test_the_load_of_an_idle_block_is_no_negative_number():
    with latency.watched() as load:
        sum(range(100_000))
    assert load.others >= 0


def test_other_programs_count_as_load_but_this_one_does_not(monkeypatch):
    import os
    from types import SimpleNamespace

    import psutil

    times = iter([(10.0, 100.0), (16.0, 102.0)])  # busy and idle seconds of the machine

    class CpuTimes(tuple):
        idle = property(lambda self: self[3])
        iowait = property(lambda self: self[4])

    def cpu_times():
        busy, idle = next(times)
        return CpuTimes((busy, 0.0, 0.0, idle, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0))

    own = iter([SimpleNamespace(user=1.0, system=0.0), SimpleNamespace(user=3.5, system=0.5)])
    clock = iter([0.0, 4.0])
    monkeypatch.setattr(psutil, "cpu_times", cpu_times)
    monkeypatch.setattr(os, "times", lambda: next(own))
    monkeypatch.setattr(latency.time, "monotonic", lambda: next(clock))
    with latency.watched() as load:
        pass
    assert load.others == pytest.approx((6 - 3) / 4)


def test_reduced_precision_is_found_out(split, tmp_path, monkeypatch):
    classifier = trained("test_resnet", split)
    checkpoints.save(tmp_path / "m", Checkpoint(classifier.config, classifier.state_dict()))
    variant = latency.Variant("m", "m", "PyTorch eager", "cpu", tmp_path / "m")
    assert latency.precision(variant, split.val.images) == "float32"

    def rounded(variant, threads):
        half = models.restore(checkpoints.load(variant.path)).bfloat16()
        half.mean, half.std = half.mean.float(), half.std.float()
        return lambda images: half.net(half.prepare(torch.from_numpy(images)).bfloat16()).float().detach().numpy()

    monkeypatch.setattr(latency, "load", rounded)
    assert latency.precision(variant, split.val.images).startswith("reduced (logits off by ")


def test_a_variant_whose_memory_cannot_be_measured_is_named(tmp_path, capfd):
    lost = latency.Variant("distill", "distill_static", "ONNX Runtime", "cpu", tmp_path / "lost.onnx")
    with pytest.raises(RuntimeError, match="memory of distill_static, ONNX Runtime, cpu failed: see the messages"):
        latency.peak_memory([lost], 8)
    assert "lost.onnx" in capfd.readouterr().err


@pytest.fixture
def benchmarked(workspace, rungs):  # noqa: F811
    """What `benchmark` reads: four rungs, their ONNX models, and metrics."""
    main("quantize")
    for name, arch in (("train_se", "test_resnet"), ("train_effnet", "test_efficientnet")):
        classifier = trained(arch, rungs)
        checkpoints.save(f"models/{name}", Checkpoint(classifier.config, classifier.state_dict()))
    names = ["train_resnet", "train_se", "train_effnet", "distill"]
    names += [f"{rung}_{kind}" for rung in ("distill", "train_resnet") for kind in ("float", "dynamic", "static")]
    Path("metrics").mkdir()
    for number, name in enumerate(names):
        accuracy = 0.5 + number / 100
        scores = {"accuracy": accuracy, "accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1}
        Path(f"metrics/{name}.json").write_text(json.dumps(scores))
    assert splits.load("data/split").classes == rungs.classes
    return names


@pytest.mark.slow
def test_stage(benchmarked, monkeypatch, capsys):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    main("benchmark")
    read = pd.read_csv("plots/benchmark/benchmark.csv")
    assert read["name"].tolist() == [
        "train_resnet", "train_se", "train_effnet", "distill",
        "train_resnet_float", "train_resnet_dynamic", "train_resnet_static",
        "distill_float", "distill_dynamic", "distill_static",
    ]  # fmt: skip
    assert read.notna().all(axis=None)
    by_name = read.set_index("name")
    assert by_name.loc["distill_static", "accuracy"] == pytest.approx(0.5 + benchmarked.index("distill_static") / 100)
    assert by_name.loc["train_resnet", "precision"] == by_name.loc["train_resnet_float", "precision"] == "float32"
    assert by_name.loc["distill_dynamic", "precision"].startswith("int8 in 1 of ")
    layers = by_name.loc["train_resnet_static", "precision"].removeprefix("int8 in ").removesuffix(" layers")
    assert len(set(layers.split(" of "))) == 1, "all layers run in int8"
    assert (read["peak_memory_mb"] > 20).all()
    assert by_name.loc["train_resnet_static", "peak_memory_mb"] < by_name.loc["train_resnet", "peak_memory_mb"]
    size = Path("deployed/distill_static.onnx").stat().st_size
    assert by_name.loc["distill_static", "file_mb"] == pytest.approx(size / 1e6)

    headline = json.loads(Path("metrics/benchmark.json").read_text())
    assert len(headline) == 8
    assert all(value > 0 for value in headline.values())
    conditions = pd.read_csv("plots/benchmark/machine.csv").set_index("what")["value"]
    assert {"processor", "instruction sets", "memory", "GPU", "system"} < set(conditions.index)
    assert conditions["threads"] == "one, and all (2)"
    assert conditions["images"] == "8 px"
    assert "onnxruntime 1." in conditions["libraries"]
    assert conditions["load by other programs"].endswith(" cores")
    assert str(Path.cwd()) not in Path("plots/benchmark/machine.csv").read_text()
    assert Path("plots/benchmark/benchmark.png").stat().st_size > 10_000


def test_a_part_of_the_deployed_models_is_no_traceback(benchmarked):
    """As `dvc pull` of one of the files leaves it."""
    Path("deployed/train_resnet_float.onnx").unlink()
    with pytest.raises(InputError, match=r"train_resnet_float\.onnx is missing: `dvc repro quantize` makes it"):
        main("benchmark")


def test_a_missing_metrics_file_is_named(benchmarked):
    Path("metrics/distill_static.json").unlink()
    with pytest.raises(InputError, match=r"metrics/distill_static\.json is missing: `dvc repro` makes it"):
        main("benchmark")
