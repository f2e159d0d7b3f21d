"""The first difference inside a file: the tensor and its place, the row and column, the key, the pixel, the line."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from PIL import Image

from dvcfile import STAGES, outs
from ladder.verifying import differences


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def png(level: int) -> bytes:
    image = np.zeros((3, 4, 3), np.uint8)
    image[2, 1, 0] = level
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def weights(value: float) -> np.ndarray:
    made = np.zeros((2, 3), np.float32)
    made[1, 2] = value
    return made


def graph(value: float, operator: str = "Identity") -> bytes:
    node = onnx.helper.make_node(operator, ["w"], ["y"], name="last")
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (2, 3))
    tensor = onnx.numpy_helper.from_array(weights(value), "w")
    return onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [output], [tensor])).SerializeToString()


def members(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("train/a.png"), content)
    return stream.getvalue()


def tensors(**arrays: np.ndarray) -> bytes:
    return safetensors.numpy.save({"w": weights(0), **arrays})


NUMBER = "1.0 first, 2.0 second (1 of 6 values differ)"
LONG = "x" * 200


@pytest.mark.parametrize(
    ("suffix", "a", "b", "expected"),
    [
        (".npy", npy(weights(1)), npy(weights(2)), f"array[1, 2]: {NUMBER}"),
        (".npz", npz(a=weights(0), b=weights(1)), npz(a=weights(0), b=weights(2)), f"array b[1, 2]: {NUMBER}"),
        (".npz", npz(a=weights(np.nan)), npz(a=weights(-np.nan)), "array a[1, 2]: nan first, nan second (1 of 6"),
        (".npz", npz(a=weights(0)), npz(a=weights(0)[0]), "array a: float32 (2, 3) first, float32 (3,) second"),
        (".npz", npz(a=weights(0)), npz(b=weights(0)), "array a is only in the first run"),
        (
            ".npz",
            npz(a=np.array(f"{LONG}1")),
            npz(a=np.array(f"{LONG}2")),
            f"array a: …{'x' * 40}1 first, …{'x' * 40}2",
        ),
        (".safetensors", tensors(v=weights(1)), tensors(v=weights(2)), f"tensor v[1, 2]: {NUMBER}"),
        (".onnx", graph(1), graph(2), f"tensor w[1, 2]: {NUMBER}"),
        (".onnx", graph(0), graph(0, "Relu"), "node 0 last: "),
        (".json", b'{"a": {"b": [1, 2]}}', b'{"a": {"b": [1, 3]}}', "key a.b.1: 2 first, 3 second"),
        (".csv", b"a,b\ncat,1\ndog,2\n", b"a,b\ncat,1\ndog,3\n", "row 2 (dog), column b: 2 first, 3 second"),
        (".png", png(0), png(9), "pixel, row and column and channel [2, 1, 0]: 0 first, 9 second (1 of 36"),
        (".zip", members(b"a"), members(b"b"), "member train/a.png: "),
        (".md", b"one\ntwo\n", b"one\nthree\n", "line 2: two first, three second"),
        (".bin", b"abc", b"abd", "bytes differ from offset 2 on (3 bytes first, 3 second)"),
        (".bin", b"abc", b"abcd", "bytes differ from offset 3 on (3 bytes first, 4 second)"),
        (".json", b'{"a": 1}', b'{"a":  1}', "the same content, written differently: bytes differ from offset 6 on"),
        (".json", b"{", b"[", "not to be read as .json (JSONDecodeError): bytes differ from offset 0 on"),
    ],
)
def test_it_is_named(suffix, a, b, expected):
    assert differences.inside(a, b, suffix).startswith(expected)


def test_every_kind_of_file_that_stages_write_is_read():
    """A kind without a reader would be told by its offset alone."""
    kinds = {Path(path).suffix for stage in STAGES.values() for path in outs(stage)} - {""}
    assert kinds | {".npy", ".safetensors", ".onnx", ".zip"} <= differences.READERS.keys()


def test_a_file_of_one_run_alone(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({}))
    assert differences.first(tmp_path / "a.json", tmp_path / "b.json") == "only in the first run"
    assert differences.first(tmp_path / "b.json", tmp_path / "a.json") == "only in the second run"
