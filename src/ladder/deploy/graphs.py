"""ONNX graphs written anew without changing what they compute: in operators with integer kernels, and bare of names."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper


def integer_friendly(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function in operators that ONNX Runtime has integer kernels for.

    With u = x / sqrt(6), hard-swish x * clip(x + 3, 0, 6) / 6 is max(u, -c) * min(max(u, -c) + c, 2c), c = 3 / sqrt(6);
    hard-sigmoid is clip(x / 6 + 1/2, 0, 1). The scales and shifts go into the convolution before, and the clipping
    costs nothing: it is what quantization to that range does. Where no convolution precedes, nothing is rewritten.
    """
    model = copied(model)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    uses = [name for node in graph.node for name in node.input]
    nodes = []
    for node in graph.node:
        x, y = node.input[0], node.output[0]
        before = producers.get(x)
        if before is not None and (before.op_type != "Conv" or uses.count(x) > 1):
            before = None  # no convolution to adjust
        if node.op_type == "HardSwish" and before is not None:
            _rescale(before, constants, graph, 6**-0.5, 0.0)
            low, high = (_scalar(graph, constants, value) for value in (-3 / 6**0.5, 6**0.5))
            shift = _scalar(graph, constants, 3 / 6**0.5)
            nodes += [
                helper.make_node("Clip", [x, low], [f"{y}/clipped"]),
                helper.make_node("Add", [f"{y}/clipped", shift], [f"{y}/shifted"]),
                helper.make_node("Clip", [f"{y}/shifted", "", high], [f"{y}/gate"]),
                helper.make_node("Mul", [f"{y}/clipped", f"{y}/gate"], [y]),
            ]
        elif node.op_type == "HardSigmoid" and before is not None and _is_sixth(node):
            _rescale(before, constants, graph, 1 / 6, 0.5)
            nodes.append(helper.make_node("Clip", [x, *(_scalar(graph, constants, v) for v in (0.0, 1.0))], [y]))
        elif node.op_type == "ReduceMean" and _is_global(node, constants):
            nodes.append(helper.make_node("GlobalAveragePool", [x], [y]))
        else:
            nodes.append(node)
    _replace(graph.node, nodes)
    return stripped(model)


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Only what is computed: no metadata, doc strings, node names or unused tensors; tensors numbered in order."""
    model = copied(model)
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    made = [name for node in graph.node for name in node.output]
    order = [tensor.name for tensor in kept] + made
    short = {name: f"t{i}" for i, name in enumerate(order)} | {"images": "images", "logits": "logits", "": ""}
    for node in graph.node:
        node.name = node.doc_string = ""
        del node.metadata_props[:]
        _replace(node.input, [short[name] for name in node.input])
        _replace(node.output, [short[name] for name in node.output])
    tensors = [numpy_helper.from_array(numpy_helper.to_array(tensor), short[tensor.name]) for tensor in kept]
    clean = helper.make_graph(
        list(graph.node),
        "classifier",
        [helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["B", *_sides(graph.input[0])])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["B", *_sides(graph.output[0])])],
        tensors,
    )
    result = helper.make_model(clean, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(result, full_check=True)
    return result


def _sides(value: onnx.ValueInfoProto) -> list[int]:
    """The fixed sizes of a tensor, all but the batch."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]


def _rescale(conv: onnx.NodeProto, constants: dict, graph: onnx.GraphProto, factor: float, shift: float) -> None:
    """Make a convolution give factor * its output + shift."""
    weight = numpy_helper.to_array(constants[conv.input[1]])
    bias = numpy_helper.to_array(constants[conv.input[2]]) if len(conv.input) == 3 else np.zeros(len(weight))
    for index, values in enumerate((weight * factor, bias * factor + shift), start=1):
        name = f"{conv.output[0]}/{index}"
        _add(graph, constants, name, values.astype(np.float32))
        del conv.input[index : index + 1]
        conv.input.insert(index, name)


def _scalar(graph: onnx.GraphProto, constants: dict, value: float) -> str:
    name = f"scalar/{value}"
    if name not in constants:
        _add(graph, constants, name, np.array(value, np.float32))
    return name


def _add(graph: onnx.GraphProto, constants: dict, name: str, values: np.ndarray) -> None:
    graph.initializer.append(numpy_helper.from_array(values, name))
    constants[name] = graph.initializer[-1]


def _is_sixth(node: onnx.NodeProto) -> bool:
    """Whether a HardSigmoid is clip(x / 6 + 1/2, 0, 1)."""
    alpha, beta = (next((a.f for a in node.attribute if a.name == key), None) for key in ("alpha", "beta"))
    return alpha is not None and abs(alpha - 1 / 6) < 1e-6 and beta in (None, 0.5)


def _is_global(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a ReduceMean is over height and width and keeps them as ones."""
    axes = constants.get(node.input[1]) if len(node.input) > 1 else None
    keeps = all(a.i == 1 for a in node.attribute if a.name == "keepdims")
    return axes is not None and keeps and sorted(a % 4 for a in numpy_helper.to_array(axes).tolist()) == [2, 3]


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _replace(repeated, values: list) -> None:
    """Set a repeated protobuf field."""
    del repeated[:]
    repeated.extend(values)
