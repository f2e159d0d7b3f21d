"""Where two files of one name first differ, in words: the tensor and place, the row and column, the key, the pixel."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = 80  # characters of a value


def first(ours: Path, theirs: Path) -> str:
    """The first difference between two files that are not the same bytes, or of which one is not there."""
    if not ours.is_file() or not theirs.is_file():
        return f"only in the {'first' if ours.is_file() else 'second'} run"
    return inside(ours.read_bytes(), theirs.read_bytes(), ours.suffix)


def inside(a: bytes, b: bytes, suffix: str) -> str:
    """The first difference inside two files that are not the same bytes, by their kind."""
    read = READERS.get(suffix)
    if read is None:
        return _in_bytes(a, b)
    try:
        found = _in_parts(read(a), read(b))
    except Exception as error:  # a damaged file leads parsers into errors of a dozen types, and still has bytes
        return f"not to be read as {suffix} ({type(error).__name__}): {_in_bytes(a, b)}"
    return found or f"the same content, written differently: {_in_bytes(a, b)}"


def _in_parts(a: Mapping[str, Any], b: Mapping[str, Any]) -> str | None:
    """The first part that differs; None if all are the same, and the files differ in how they are written."""
    for name in {**a, **b}:
        if name not in a or name not in b:
            return f"{name} is only in the {'first' if name in a else 'second'} run"
        if found := _in_values(a[name], b[name]):
            return f"{name}{found}"
    return None


def _in_values(a: Any, b: Any) -> str | None:
    if not isinstance(a, np.ndarray):
        return None if a == b else _values(a, b)
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f": {a.dtype} {a.shape} first, {b.dtype} {b.shape} second"
    differ = np.any(_item_bytes(a) != _item_bytes(b), axis=1)  # bytes, so that NaN equals itself and -0 differs from 0
    if not differ.any():
        return None
    place = tuple(int(index) for index in np.unravel_index(differ.argmax(), a.shape))
    at = str(list(place)) if place else ""
    count = f" ({differ.sum():,} of {a.size:,} values differ)" if a.size > 1 else ""
    return f"{at}{_values(a[place], b[place])}{count}"


def _values(a: Any, b: Any) -> str:
    texts = str(a), str(b)
    same = next((i for i, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), min(map(len, texts)))
    start = max(0, same - SHOWN // 2) if max(map(len, texts)) > SHOWN else 0
    first, second = (f"{'…' if start else ''}{text[start : start + SHOWN]}" for text in texts)
    return f": {first} first, {second} second"


def _item_bytes(array: np.ndarray) -> np.ndarray:
    """uint8 (N, bytes of a value)."""
    return np.frombuffer(array.tobytes(), np.uint8).reshape(array.size, -1) if array.size else np.empty((0, 1))


def _in_bytes(a: bytes, b: bytes) -> str:
    shared = min(len(a), len(b))
    x, y = np.frombuffer(a[:shared], np.uint8), np.frombuffer(b[:shared], np.uint8)
    differ = x != y
    place = int(differ.argmax()) if differ.any() else shared
    return f"bytes differ from offset {place:,} on ({len(a):,} bytes first, {len(b):,} second)"


# --- readers: bytes -> name of a part -> array or value


def _npy(content: bytes) -> dict[str, Any]:
    return {"array": np.load(io.BytesIO(content), allow_pickle=False)}


def _npz(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {f"array {name}": archive[name] for name in archive.files}


def _safetensors(content: bytes) -> dict[str, Any]:
    from safetensors import deserialize

    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
    return {
        f"tensor {name}": np.frombuffer(about["data"], kinds[about["dtype"]]).reshape(about["shape"])
        for name, about in sorted(deserialize(content))
    }


def _onnx(content: bytes) -> dict[str, Any]:
    import onnx

    model = onnx.load_from_string(content)
    tensors = {f"tensor {it.name}": onnx.numpy_helper.to_array(it) for it in model.graph.initializer}
    return tensors | {f"node {at} {it.name}": it.SerializeToString() for at, it in enumerate(model.graph.node)}


def _json(content: bytes) -> dict[str, Any]:
    def leaves(value: Any, key: str) -> dict[str, Any]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if inner is None:
            return {f"key {key}": value}
        found: dict[str, Any] = {}
        for name, part in inner:
            found |= leaves(part, f"{key}.{name}" if key else str(name))
        return found

    return leaves(json.loads(content), "")


def _csv(content: bytes) -> dict[str, Any]:
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return {
        f"row {number} ({next(iter(row.values()))}), column {name}": value
        for number, row in enumerate(rows, start=1)
        for name, value in row.items()
    }


def _png(content: bytes) -> dict[str, Any]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return {"pixel, row and column and channel ": np.asarray(image)}


def _zip(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {f"member {name}": archive.read(name) for name in archive.namelist()}


def _lines(content: bytes) -> dict[str, Any]:
    return {f"line {number}": line for number, line in enumerate(content.decode().splitlines(), start=1)}


READERS: dict[str, Callable[[bytes], Mapping[str, Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".json": _json,
    ".csv": _csv,
    ".png": _png,
    ".zip": _zip,
    ".md": _lines,
    ".html": _lines,
    ".txt": _lines,
}
