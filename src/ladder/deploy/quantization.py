"""Trained classifiers as ONNX models: float, dynamic int8 (Linear layers) and static int8 (weights and activations).

All take `images` uint8 (B, 3, H, W) with any B and give `logits` float32 (B, C). BatchNorm is folded into convolutions
by the exporter. Serialized models hold no metadata, doc strings or names, so they say nothing of the machine they were
made on, and equal classifiers give equal bytes.

Static int8 is fast only where nothing is left in float between two convolutions, so the graph is first written in
operators that ONNX Runtime has integer kernels for (`graphs.integer_friendly`), without changing what it computes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch

from ladder.core.errors import InputError
from ladder.deploy import graphs, onnx_runtime  # before anything of ONNX Runtime
from ladder.training import tensors
from ladder.training.models import Classifier

# isort: split
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

OPSET = 20
LARGEST_DIFFERENCE = 1e-3  # of ONNX Runtime's float logits from PyTorch's, as a share of the largest logit

IMAGES_PER_BATCH = 25

LAYERS = ("Conv", "Gemm", "MatMul")  # operators with weights
PROBES = 100  # calibration images that tell how sensitive a layer is

Limits = tuple[np.float32, np.float32]  # least and greatest value of a tensor


def export(classifier: Classifier, image_size: int) -> onnx.ModelProto:
    """The classifier in eval mode as float ONNX, for images of `image_size` pixels a side."""
    example = torch.zeros(2, 3, image_size, image_size, dtype=torch.uint8)
    program = torch.onnx.export(
        classifier.cpu().eval(),
        (example,),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is without dynamo only
    return graphs.stripped(program.model_proto)


def check(model: onnx.ModelProto, classifier: Classifier, images: np.ndarray) -> float:
    """Largest difference of the model's logits from PyTorch's on images uint8 (N, 3, H, W).

    Raises: InputError if it exceeds LARGEST_DIFFERENCE of the largest logit.
    """
    with torch.inference_mode():
        expected = classifier(tensors.over(images)).numpy()
    difference = float(np.abs(onnx_runtime.predict(model.SerializeToString(), images) - expected).max())
    if not difference <= LARGEST_DIFFERENCE * np.abs(expected).max():
        raise InputError(
            f"{classifier.config['arch']}: ONNX Runtime's logits differ from PyTorch's by up to {difference:.2g} on"
            f" {len(images)} validation images (largest logit {np.abs(expected).max():.2g}, allowed"
            f" {LARGEST_DIFFERENCE:g} of it): its export to ONNX is not faithful, choose another architecture"
        )
    return difference


def spread(images: np.ndarray, count: int) -> np.ndarray:
    """`count` of the images (N, ...), or all of fewer, at even distances: sorted by class, each class has its share."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def variants(
    model: onnx.ModelProto, images: np.ndarray, coverage: float, max_sensitivity: float
) -> dict[str, onnx.ModelProto]:
    """The float model itself, and its int8 twins; the others are arguments of `static`."""
    return {"float": model, "dynamic": dynamic(model), "static": static(model, images, coverage, max_sensitivity)}


def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights in Linear layers only (Gemm, MatMul), their activations quantized as they come."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dynamic.onnx")
        quantize_dynamic(_preprocessed(model), path, op_types_to_quantize=["Gemm", "MatMul"])
        return graphs.stripped(onnx.load(path))


def static(model: onnx.ModelProto, images: np.ndarray, coverage: float, max_sensitivity: float) -> onnx.ModelProto:
    """int8 weights per channel, uint8 activations with ranges for all but the strangest of the calibration images.

    Layers that int8 would harm (`sensitive`) stay in float, with what stands between them and their neighbours.
    """
    friendly = graphs.integer_friendly(model)
    ranges = {name: covering_range(*ends, coverage) for name, ends in extremes(friendly, images).items()}
    limits = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    prepared = _preprocessed(friendly)
    kept = around(prepared.graph, sensitive(prepared, limits, spread(images, PROBES), max_sensitivity))
    rest = [node.name for node in prepared.graph.node if node.name not in kept]
    return _quantized(prepared, limits, rest) if rest else friendly  # ONNX Runtime takes no nodes for all of them


def sensitive(prepared: onnx.ModelProto, limits: Mapping[str, Limits], images: np.ndarray, allowed: float) -> list[str]:
    """Names of the layers with weights that, alone in int8, move the logits of `images` by more than `allowed`:
    the deviation of that difference, as a share of the deviation of the logits.

    An example: first layers that tell fine detail of enlarged, so smooth, images from values smaller than a level.
    """
    layers = [node.name for node in prepared.graph.node if node.op_type in LAYERS]
    expected = onnx_runtime.predict(prepared.SerializeToString(), images)

    def moved(layer: str) -> float:
        found = onnx_runtime.predict(_quantized(prepared, limits, [layer]).SerializeToString(), images)
        return float((found - expected).std() / expected.std())

    return [layer for layer in layers if moved(layer) > allowed]


def around(graph: onnx.GraphProto, layers: Collection[str]) -> set[str]:
    """These layers and all nodes on the way to the next layers with weights, on either side."""
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    makers = {name: node for node in graph.node for name in node.output}
    before = {node.name: [makers[name] for name in node.input if name in makers] for node in graph.node}
    after = {node.name: [taker for name in node.output for taker in takers.get(name, ())] for node in graph.node}
    found = set(layers)
    for neighbours in (before, after):
        open_ends = list(layers)
        while open_ends:
            for node in neighbours[open_ends.pop()]:
                if node.op_type not in LAYERS and node.name not in found:
                    found.add(node.name)
                    open_ends.append(node.name)
    return found


def _quantized(prepared: onnx.ModelProto, limits: Mapping[str, Limits], nodes: list[str]) -> onnx.ModelProto:
    """The model with these nodes in int8."""
    with tempfile.TemporaryDirectory() as folder:
        path, cache = Path(folder, "static.onnx"), Path(folder, "ranges.json")
        save_tensors_data(TensorsData(CalibrationMethod.MinMax, dict(limits)), cache)
        quantize_static(
            graphs.copied(prepared),
            path,
            calibration_cache_path=cache,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with int8 weights what VNNI multiplies
            weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes,
        )
        return graphs.stripped(onnx.load(path))


def covering_range(lows: np.ndarray, highs: np.ndarray, coverage: float) -> tuple[float, float]:
    """The range (low <= 0 <= high) that holds the lowest values of a share `coverage` of the images, and the highest.

    A few images set values off that are ten times those of all others, and would make the 256 levels as coarse. Inside
    an image nothing is cut off: what is rare there is what the classes are told by.

    Args:
        lows, highs: a tensor's least and greatest value for each image, (N,).
    """
    return min(float(np.quantile(lows, 1 - coverage)), 0.0), max(float(np.quantile(highs, coverage)), 0.0)


def extremes(model: onnx.ModelProto, images: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> least and greatest value for each image, float32 (N,) both, of each float tensor that the model makes."""
    opened = onnx.shape_inference.infer_shapes(model)
    floats = [value for value in opened.graph.value_info if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    names = [value.name for value in floats] + ["logits"]
    opened.graph.output.extend(floats)
    session = onnx_runtime.session(opened.SerializeToString())
    found = []
    for start in range(0, len(images), IMAGES_PER_BATCH):
        computed = session.run(names, {"images": images[start : start + IMAGES_PER_BATCH]})
        rows = [values.reshape(len(values), -1) for values in computed]
        found.append([(row.min(axis=1), row.max(axis=1)) for row in rows])
    joined = [[np.concatenate(ends) for ends in zip(*parts, strict=True)] for parts in zip(*found, strict=True)]
    return {name: (lows, highs) for name, (lows, highs) in zip(names, joined, strict=True)}


def _preprocessed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy marked as shape-inferred and optimized, which the exporter has done: ONNX Runtime warns otherwise."""
    model = onnx.shape_inference.infer_shapes(model)
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    add_pre_process_metadata(model)
    return model
