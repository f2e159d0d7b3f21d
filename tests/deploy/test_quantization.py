"""ONNX models: the same answers as PyTorch, really int8, the same bytes wherever they are made."""

import contextlib
import hashlib
import json
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from imports import ROOT
from ladder import params, params_groups
from ladder.core.artifacts import checkpoints, predictions, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Logits, Predictions
from ladder.deploy import graphs, onnx_files, onnx_runtime, quantization
from ladder.training import models
from test_stages import main

MAKE = """
import hashlib, sys
from pathlib import Path
import numpy as np
from ladder.core.artifacts import checkpoints
from ladder.deploy import quantization
from ladder.training import models
classifier = models.restore(checkpoints.load(sys.argv[1]))
images = np.load(sys.argv[2])
model = quantization.export(classifier, images.shape[-1])
made = {"float": model, "dynamic": quantization.dynamic(model), "static": quantization.static(model, images, 0.99, 0.2)}
for kind, it in made.items():
    Path(kind + ".onnx").write_bytes(it.SerializeToString())
"""


def trained(arch: str, split, size: int = 8, **stem) -> models.Classifier:
    """A classifier whose BatchNorm has seen the images, so that folding it matters; not trained further."""
    recipe = params.Recipe(
        arch=arch, weights="scratch", input_size=size, stem=params_groups.Stem(**stem) if stem else None, drop_rate=0.0,
        epochs=1, batch_size=8, optimizer="sgd", lr=0.1, momentum=0.0, weight_decay=0.0, schedule="constant",
        warmup_epochs=0.0, label_smoothing=0.0,
    )  # fmt: skip
    model = params.Model(resize="bilinear")
    classifier = models.build(recipe, model, split.classes, split.mean, split.std, seed=1)
    for module in classifier.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.uniform_(module.bias, -1.0, 1.0)
    with torch.no_grad():
        classifier.train()(torch.from_numpy(split.train.images))
    return classifier.eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def student(images) -> models.Classifier:
    """MobileNetV3-Small: hard-swish and squeeze-and-excitation, which tiny architectures of timm do not have."""
    from conftest import colored
    from ladder.core.types import Split

    part = colored(8, 0, seed=1, size=32)
    split = Split(part, part, part, ("a", "b", "c"), (0.5,) * 3, (0.25,) * 3, "digits", "0" * 64)
    return trained("mobilenetv3_small_050", split, 32, stride=2, pool=False, unstrided_stages=0)


@pytest.fixture(scope="module")
def exported(student) -> onnx.ModelProto:
    return quantization.export(student, 32)


@pytest.fixture(scope="module")
def static(exported, images) -> onnx.ModelProto:
    return quantization.static(exported, images, 0.99, 0.2)


def answers(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    return onnx_runtime.predict(model.SerializeToString(), images)


def operators(model: onnx.ModelProto) -> Counter:
    return Counter(node.op_type for node in model.graph.node)


def bytes_by_type(model: onnx.ModelProto) -> Counter:
    count = Counter()
    for tensor in model.graph.initializer:
        count[TensorProto.DataType.Name(tensor.data_type)] += numpy_helper.to_array(tensor).nbytes
    return count


def runs_as(model: onnx.ModelProto, folder: Path) -> Counter:
    """Operators of the graph that ONNX Runtime really runs."""
    onnx_runtime.session(model.SerializeToString(), 1, folder / "ran.onnx")
    return operators(onnx.load(folder / "ran.onnx"))


def test_float_gives_the_logits_of_pytorch(student, exported, images):
    with torch.no_grad():
        expected = student(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(answers(exported, images), expected, rtol=1e-3, atol=1e-5)
    assert quantization.check(exported, student, images) < 1e-4


def test_a_model_takes_any_number_of_images(exported, images):
    assert [tuple(d.dim_param or d.dim_value for d in exported.graph.input[0].type.tensor_type.shape.dim)] == [
        ("B", 3, 32, 32)
    ]
    whole = answers(exported, images)
    np.testing.assert_allclose(answers(exported, images[:1]), whole[:1], rtol=1e-4, atol=1e-5)
    assert whole.dtype == np.float32


def test_an_export_that_gives_other_logits_is_refused(student, exported, images):
    wrong = onnx.ModelProto.FromString(exported.SerializeToString())
    weight = next(t for t in wrong.graph.initializer if t.name == wrong.graph.node[-1].input[1])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.1, weight.name))
    with pytest.raises(InputError, match=r"mobilenetv3_small_050: .* differ from PyTorch's by up to .* allowed"):
        quantization.check(wrong, student, images)


def test_images_of_another_size_are_resized_inside(split):
    classifier = trained("test_resnet", split, size=16)
    model = quantization.export(classifier, 8)
    assert quantization.check(model, classifier, split.val.images) < 1e-4


def test_batchnorm_is_folded(exported):
    assert "BatchNormalization" not in operators(exported)


def test_the_integer_friendly_graph_computes_the_same(exported, images):
    friendly = graphs.integer_friendly(exported)
    assert not {"HardSwish", "HardSigmoid", "ReduceMean"} & set(operators(friendly))
    np.testing.assert_allclose(answers(friendly, images), answers(exported, images), rtol=1e-3, atol=1e-5)


def test_what_no_convolution_precedes_stays_as_it_is():
    """x -> HardSwish, and a convolution whose output is used twice."""
    weight = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("HardSwish", ["x"], ["y"]),
        helper.make_node("Conv", ["y", "w"], ["z"]),
        helper.make_node("HardSigmoid", ["z"], ["s"], alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", ["z", "s"], ["logits"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, kind, ["B", 3, 1, 1])
        for name, kind in (("images", TensorProto.UINT8), ("logits", TensorProto.FLOAT))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight]), opset_imports=[helper.make_opsetid("", 20)]
    )
    assert operators(graphs.integer_friendly(model)) == operators(model)


def test_static_int8_leaves_no_float_between_convolutions(static, images, tmp_path):
    ran = runs_as(static, tmp_path)
    convolutions = ran["QLinearConv"]
    assert convolutions == operators(static)["Conv"] > 40
    floats = {"Conv", "HardSwish", "HardSigmoid", "Sigmoid", "Clip", "GlobalAveragePool", "ReduceMean", "Gemm", "Mul"}
    assert not floats & set(ran)
    assert (ran["QuantizeLinear"], ran["DequantizeLinear"]) == (1, 1)  # the images, and the logits


def test_static_int8_holds_its_weights_in_bytes(exported, static):
    floats, quantized = bytes_by_type(exported), bytes_by_type(static)
    weights = sum(
        numpy_helper.to_array(tensor).size
        for tensor in exported.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1 and tensor.dims[-1] * tensor.dims[0] > 3
    )
    assert quantized["INT8"] >= weights
    assert quantized["FLOAT"] < 0.05 * floats["FLOAT"]
    per_channel = [node for node in static.graph.node if node.op_type == "DequantizeLinear" and len(node.input) == 3]
    scales = {tensor.name: tuple(tensor.dims) for tensor in static.graph.initializer}
    assert sum(len(scales[node.input[1]]) == 1 for node in per_channel) >= operators(static)["Conv"]


def in_float(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    """What a quantized graph means on any CPU: unoptimized, ONNX Runtime computes in float between its levels."""
    options = onnx_runtime.ort.SessionOptions()
    options.graph_optimization_level = onnx_runtime.ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnx_runtime.ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"images": images})[0]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of logits, as a share of how far `a`'s lie from their mean over the images."""
    return float(np.abs(a - b).mean() / np.abs(a - a.mean(0)).mean())


def test_static_int8_agrees_with_float(exported, static, images):
    # 41 random layers; trained ones agree better
    assert 0 < difference(answers(exported, images), in_float(static, images)) < 0.4


def test_layers_that_int8_would_break_stay_in_float(exported, images):
    """One channel a thousand times as wide as the others leaves them less than a level."""
    model = onnx.ModelProto.FromString(exported.SerializeToString())
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    first, second = [node for node in model.graph.node if node.op_type == "Conv"][:2]
    for conv, factor in ((first, 1000.0), (second, 0.001)):
        weight = numpy_helper.to_array(constants[conv.input[1]]).copy()
        weight[0] *= factor
        constants[conv.input[1]].CopyFrom(numpy_helper.from_array(weight, conv.input[1]))

    def in_float_share(made: onnx.ModelProto) -> tuple[int, float]:
        levels = {name for node in made.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        convolutions = [node for node in made.graph.node if node.op_type == "Conv"]
        kept = sum(node.input[1] not in levels for node in convolutions)
        return kept, difference(answers(model, images), in_float(made, images))

    kept, moved = in_float_share(quantization.static(model, images, 0.99, 0.2))
    assert 1 <= kept <= 3, "these two, and perhaps the one after them"
    assert moved < 0.5
    kept, moved = in_float_share(quantization.static(model, images, 0.99, 1e9))
    assert kept == 0
    assert moved > 0.7
    kept, moved = in_float_share(quantization.static(model, images, 0.99, -1.0))
    assert kept == operators(model)["Conv"]
    assert moved < 1e-3


# Levels may differ by rounding; sums that saturate, as they do on a CPU without 8-bit dot products, make it 0.7.
def test_the_integer_kernels_of_this_cpu_give_what_the_quantized_graph_says(static, images):
    assert difference(in_float(static, images), answers(static, images)) < 0.1


def test_calibration_images_are_spread_evenly():
    numbers = np.arange(100)
    assert quantization.spread(numbers, 4).tolist() == [0, 33, 66, 99]
    assert quantization.spread(numbers, 500).tolist() == numbers.tolist()


def test_dynamic_int8_touches_linear_layers_only(exported, tmp_path):
    model = quantization.dynamic(exported)
    assert operators(model)["Conv"] == operators(exported)["Conv"]
    assert operators(model)["MatMulInteger"] == operators(exported)["Gemm"] == 1
    gemm = next(node for node in exported.graph.node if node.op_type == "Gemm")
    linear = next(numpy_helper.to_array(t) for t in exported.graph.initializer if t.name == gemm.input[1])
    assert bytes_by_type(model)["INT8"] == pytest.approx(linear.size, abs=1)
    assert bytes_by_type(model)["FLOAT"] == pytest.approx(bytes_by_type(exported)["FLOAT"] - linear.nbytes, abs=64)
    assert runs_as(model, tmp_path)["Conv"] == operators(exported)["Conv"]


@pytest.mark.parametrize("kind", ["float", "dynamic", "static"])
def test_a_model_says_nothing_of_where_it_was_made(kind, exported, static):
    model = {"float": exported, "dynamic": quantization.dynamic(exported), "static": static}[kind]
    written = [model.producer_name, model.producer_version, model.doc_string, *model.metadata_props]
    for node in model.graph.node:
        written += [node.name, node.doc_string, *node.metadata_props]
    assert not any(written)
    assert not model.graph.value_info
    data = model.SerializeToString()
    for word in ("/work", str(ROOT), str(Path.home()), "site-packages", ".py", "torch", "timm", "conv_stem"):
        assert word.encode() not in data


@pytest.mark.slow
def test_two_folders_and_two_processes_give_the_same_bytes(student, images, tmp_path):
    digests = []
    for seed, name in enumerate(("here", "there/deeper")):
        folder = tmp_path / name
        checkpoints.save(folder / "model", Checkpoint(student.config, student.state_dict()))
        np.save(folder / "images.npy", images)
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-W", "ignore", "-c", MAKE, "model", "images.npy"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.onnx")})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


@pytest.mark.parametrize(
    ("lows", "highs", "coverage", "expected"),
    [
        (np.arange(-100.0, 1), np.arange(0.0, 101), 1, (-100, 100)),
        (np.arange(-100.0, 1), np.arange(0.0, 101), 0.99, (-99, 99)),
        (np.arange(5.0, 106), np.arange(5.0, 106), 0.9, (0, 95)),  # zero is always among the levels
        (np.arange(-105.0, -4), np.arange(-105.0, -4), 0.9, (-95, 0)),
        (np.zeros(3), np.zeros(3), 0.99, (0, 0)),
        (np.append(np.full(100, -1.0), -80.0), np.append(np.full(100, 2.0), 90.0), 0.99, (-1, 2)),  # one strange image
    ],
)
def test_the_range_that_covers_known_images(lows, highs, coverage, expected):
    assert quantization.covering_range(lows, highs, coverage) == pytest.approx(expected)


def test_extremes_are_those_of_each_image(exported, images):
    found = quantization.extremes(exported, images[:30])  # more than one batch
    logits = answers(exported, images[:30])
    np.testing.assert_allclose(found["logits"], [logits.min(1), logits.max(1)], rtol=1e-4, atol=1e-5)
    assert {len(ends) for pair in found.values() for ends in pair} == {30}
    assert len(found) >= operators(exported)["Conv"]


def test_no_telemetry(tmp_path):
    """ONNX Runtime keeps an identifier and a queue of events under the home folder unless told not to."""
    code = "import numpy as np, ladder.deploy.onnx_runtime as o, sys; o.session(sys.argv[1])"
    (tmp_path / "home").mkdir()
    nodes = [helper.make_node("Identity", ["images"], ["logits"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["B"]) for name in ("images", "logits")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    )
    onnx.save(model, tmp_path / "m.onnx")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_", "CI"))}
    environment |= {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m.onnx")], env=environment, check=True)
    assert list((tmp_path / "home").rglob("*onnxruntime*")) == []


def test_onnx_runtime_is_imported_after_telemetry_is_off():
    for path in [path for folder in ("src", "stages", "tools") for path in (ROOT / folder).rglob("*.py")]:
        if path.name != "onnx_runtime.py":
            text = path.read_text()
            assert "import onnxruntime" not in text, f"{path}: use ladder.deploy.onnx_runtime"
            before, _, after = text.partition("from onnxruntime")
            assert not after or re.search(r"^from ladder\.deploy import .*\bonnx_runtime  #", before, re.MULTILINE), (
                path
            )


@pytest.fixture
def rungs(workspace, split):
    """A split and the two rungs that `quantize` reads: test_resnet and test_efficientnet at 8 px."""
    splits.save("data/split", split)
    for name, arch in (("distill", "test_efficientnet"), ("train_resnet", "test_resnet")):
        classifier = trained(arch, split)
        checkpoints.save(f"models/{name}", Checkpoint(classifier.config, classifier.state_dict()))
        parts = (Logits(classifier(torch.from_numpy(p.images)).detach().numpy(), p.labels, p.ids)
                 for p in (split.val, split.test))  # fmt: skip
        provenance = {"source": "digits", "arch": arch, "parameters": models.parameter_count(classifier), "epochs": 1}
        predictions.save(f"predictions/trained/{name}.npz", Predictions(*parts, split.classes, provenance))
    return split


def test_stage(rungs, capsys):
    main("quantize")
    for name, arch in (("distill", "test_efficientnet"), ("train_resnet", "test_resnet")):
        pytorch = predictions.load(f"predictions/trained/{name}.npz").test
        for kind, precision in (("float", "float32"), ("dynamic", "dynamic int8"), ("static", "static int8")):
            read = predictions.load(f"predictions/deployed/{name}_{kind}.npz")
            assert np.array_equal(read.test.ids, rungs.test.ids)
            assert read.provenance["precision"] == precision
            about = onnx_files.about(f"deployed/{name}_{kind}.onnx")
            assert about["classes"] == list(rungs.classes)
            assert (about["image_size"], about["arch"], about["precision"]) == (8, arch, precision)
            ran = onnx_runtime.predict(f"deployed/{name}_{kind}.onnx", rungs.test.images)
            np.testing.assert_array_equal(ran, read.test.logits)
        np.testing.assert_allclose(
            predictions.load(f"predictions/deployed/{name}_float.npz").test.logits, pytorch.logits, rtol=1e-3, atol=1e-4
        )
    assert "train_resnet: logits of PyTorch and ONNX Runtime differ by at most" in capsys.readouterr().out


def test_a_failing_stage_leaves_nothing(rungs, monkeypatch):
    monkeypatch.setattr(quantization, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="differ from PyTorch's"):
        main("quantize")
    assert not Path("deployed").exists()
    assert not list(Path("predictions").glob("*_float.npz"))


def test_a_missing_model_is_named(workspace):
    with pytest.raises(InputError, match=r"distill_static\.onnx holds no deployed model: .*dvc repro quantize"):
        onnx_files.about("deployed/distill_static.onnx")


def write_accuracies(**accuracies: float) -> None:
    Path("metrics").mkdir(exist_ok=True)
    for name, accuracy in accuracies.items():
        Path(f"metrics/{name}.json").write_text(json.dumps({"accuracy": accuracy}))


def write_comparisons(images: int, **lost: tuple[int, float]) -> None:
    """Rung -> net images lost by int8, and the upper end of the interval of static minus float."""
    Path("plots/report").mkdir(parents=True, exist_ok=True)
    rows = [f"int8_{rung},{images},{-number / images:.9g},{high}" for rung, (number, high) in lost.items()]
    Path("plots/report/comparisons.csv").write_text("\n".join(["name,images,difference,high", *rows]) + "\n")


def check_int8() -> None:
    runpy.run_path(str(ROOT / "tools/check_int8.py"))["main"]()


def test_the_gate_passes_within_max_drop(workspace, capsys):
    write_accuracies(distill_float=0.8, distill_static=0.799, train_resnet_float=0.9, train_resnet_static=0.901)
    write_comparisons(1000, distill=(1, 0.001), train_resnet=(-1, 0.002))
    check_int8()
    printed = capsys.readouterr().out
    assert (
        "distill: float 80.00%, static int8 79.90% on 1,000 images: 0.10 points lost (at least -0.10), 0.30 allowed"
        in printed
    )


def test_the_gate_fails_naming_the_figures(workspace, capsys):
    write_accuracies(distill_float=0.8, distill_static=0.79, train_resnet_float=0.9, train_resnet_static=0.9)
    write_comparisons(1000, distill=(10, -0.004), train_resnet=(0, 0.002))
    with pytest.raises(SystemExit, match=r"int8 costs distill more accuracy than quantize.max_drop=0\.003"):
        check_int8()
    assert "static int8 79.00% on 1,000 images: 1.00 points lost (at least 0.40)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("images", "lost", "high", "fails"),
    [
        pytest.param(100, 1, -0.001, False, id="one-image-is-a-point"),
        pytest.param(100, 2, 0.0, False, id="the-interval-holds-zero"),
        pytest.param(100, 2, -0.001, True, id="two-images-and-no-chance"),
        pytest.param(10_000, 30, -0.001, False, id="what-is-allowed"),
        pytest.param(10_000, 31, -0.001, True, id="one-more"),
    ],
)
def test_a_drop_fails_beyond_what_is_allowed_and_one_image_and_chance(workspace, images, lost, high, fails):
    write_accuracies(distill_float=0.8, distill_static=0.79, train_resnet_float=0.9, train_resnet_static=0.9)
    write_comparisons(images, distill=(lost, high), train_resnet=(0, 0.0))
    with pytest.raises(SystemExit) if fails else contextlib.nullcontext():
        check_int8()


def test_the_gate_needs_the_comparison(workspace):
    write_accuracies(distill_float=0.8, distill_static=0.79, train_resnet_float=0.9, train_resnet_static=0.9)
    with pytest.raises(InputError, match=r"does not compare int8 with float .*: `dvc repro report` does"):
        check_int8()


def test_the_gate_needs_metrics(workspace):
    write_comparisons(100, distill=(0, 0.0), train_resnet=(0, 0.0))
    with pytest.raises(InputError, match=r"distill_float\.json is missing: `dvc repro` makes it"):
        check_int8()
