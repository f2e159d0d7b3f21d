"""Every artifact of the pipeline, damaged at random: one InputError, or the very same value."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import bounded, count
from imports import ROOT
from ladder import params
from ladder.core import states
from ladder.core.artifacts import checkpoints, predictions, pretrained, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Logits, Predictions, Pretrained
from ladder.deploy import onnx_files
from ladder.images import canonical, published, sources
from ladder.scoring import metrics, passes
from ladder.training.resume import Session


def plain(value: Any) -> Any:
    """The same as something that `==` compares, to the last bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, torch.Tensor):
        return plain(value.numpy())
    if isinstance(value, dict):
        return [(key, plain(entry)) for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def answers(images: int) -> Logits:
    draw = np.random.default_rng(images)
    return Logits(draw.normal(size=(images, 3)).astype(np.float32), draw.integers(0, 3, images), np.arange(images))


def save_checkpoint(split) -> None:
    weights = {"conv.weight": torch.arange(300.0).view(4, 75), "bn.count": torch.tensor(7)}
    checkpoints.save("models/a", Checkpoint({"arch": "resnet18", "classes": ["Käfer", "cat"], "mean": [0.1]}, weights))


def save_predictions(split) -> None:
    made = Predictions(answers(40), answers(30), ("Käfer", "cat", "dog"), {"source": "digits", "epochs": 7})
    predictions.save("predictions/a.npz", made)


def save_passes(split) -> None:
    part = answers(30)
    passes.save("predictions/mc_dropout/a.npz", passes.Passes(np.stack([part.logits] * 4), part.labels, part.ids))


def save_metrics(split) -> None:
    metrics.save("a", {"accuracy": 0.8125, "nll": 0.1 + 0.2})


def save_onnx(split) -> None:
    onnx_files.save("deployed/a.onnx", bytes(range(256)) * 3, {"classes": ["cat", "dog"], "image_size": 32})


def save_pretrained(split) -> None:
    made = Pretrained("resnet18", "a hub", "0" * 64, (0.5,) * 3, (0.25,) * 3, weights={"w": torch.arange(99.0)})
    pretrained.save("data/weights/a", made)


def save_images(split) -> None:
    contents = {published.DIGITS: np.zeros((5, 8, 8), np.uint8), published.DIGIT_LABELS: np.arange(5)}
    canonical.write(Path("data/raw/digits"), {name: npy(array) for name, array in contents.items()})


def npy(array: np.ndarray) -> bytes:
    np.save(stream := io.BytesIO(), array)
    return stream.getvalue()


def read_images() -> Any:
    digits = {"source": "digits", "path": "data/raw/digits", "image_size": 8}
    return astuple(sources.read(params.read(ROOT / "params.yaml").data.model_copy(update=digits)))


def session() -> Session:
    Path("state/some-0123").mkdir(parents=True, exist_ok=True)
    return Session("some", Path("state/some-0123"), "history.csv")


def save_state(split) -> None:
    session().epoch_done({"model": {"w": torch.arange(99.0)}, "history": [{"epoch": 1, "loss": 0.5}]})


def restore() -> Any:
    state = session().restore(torch.device("cpu"))
    if state is None:
        raise InputError("set aside")
    return state


def save_finished(split) -> None:
    folder = Path("state/some-0123")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.pt").touch()
    Path("result").touch()
    states.finish(folder, Path("result"))


def forget() -> Any:
    states.forget_recorded(Path("state"))
    return Path("state/some-0123/state.pt").exists()  # dvc.lock does not have the result: it stays


@dataclass
class Kind:
    """How an artifact is written and read; `exact`: whatever is read must be the same."""

    save: Callable[[Any], None]
    load: Callable[[], Any]
    exact: bool = True


KINDS = {
    "published images": Kind(save_images, read_images),
    "checkpoint": Kind(save_checkpoint, lambda: astuple(checkpoints.load("models/a"))),
    "predictions": Kind(save_predictions, lambda: astuple(predictions.load("predictions/a.npz"))),
    "dropout passes": Kind(save_passes, lambda: astuple(passes.load("predictions/mc_dropout/a.npz"))),
    "split": Kind(lambda split: splits.save("data/split", split), lambda: astuple(splits.load("data/split"))),
    "part of a split": Kind(
        lambda split: splits.save("data/split", split), lambda: astuple(splits.load_part("data/split", "val"))
    ),
    "ImageNet weights": Kind(save_pretrained, lambda: astuple(pretrained.load("data/weights/a"))),
    "ONNX model": Kind(save_onnx, lambda: onnx_files.about("deployed/a.onnx")),
    "metrics": Kind(save_metrics, lambda: metrics.load("a"), exact=False),  # Git has those, and they are floats alone
    "resume state": Kind(save_state, restore),
    "finished state": Kind(save_finished, forget),
}
# What else may stand in a file's place: texts that parse, and the files of all other kinds.
OTHERS = [
    b"{}",
    b"[]",
    b"null",
    b'"a"',
    b"1e999",
    b"[" * 5000,
    b'{"digests": {}}',
    b"PK\x05\x06" + bytes(18),
    b"\x80\x04.",
]


def files() -> list[Path]:
    every = Path().rglob("*")
    return sorted(path for path in every if path.is_file() and path.stat().st_size and path.suffix != ".csv")


@pytest.fixture
def made(tmp_path, monkeypatch, split):
    """Make a kind of artifact in an empty folder: its files and their bytes."""

    def make(kind: str) -> dict[Path, bytes]:
        folder = tmp_path / kind
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        monkeypatch.chdir(folder)
        KINDS[kind].save(split)
        return {path: path.read_bytes() for path in files()}

    return make


@pytest.fixture
def foreign(made) -> Callable[[], list[bytes]]:
    """What may stand in a file's place (a function: a failing example is printed with its arguments)."""
    found = OTHERS + [content for kind in KINDS for content in made(kind).values()]
    return lambda: found


def damage(data: st.DataObject, whole: bytes, foreign: list[bytes]) -> tuple[str, bytes]:
    """What was done, and the bytes after it."""
    how = data.draw(st.sampled_from(["cut", "flip", "zero", "insert", "remove", "replace"]))
    content, at = bytearray(whole), data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, 40))
    if how == "cut":
        del content[at:]
    elif how == "flip":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "zero":
        content[at : at + length] = bytes(len(content[at : at + length]))
    elif how == "insert":
        content[at:at] = data.draw(st.binary(min_size=length, max_size=length))
    elif how == "remove":
        del content[at : at + length]
    else:
        content = bytearray(data.draw(st.sampled_from(foreign)))
    return how, bytes(content)


@pytest.mark.parametrize("kind", KINDS)
@bounded(60)
@given(data=st.data())
def test_damage_is_one_error_or_none(kind, made, foreign, data):
    whole = made(kind)
    expected = plain(KINDS[kind].load())
    path = data.draw(st.sampled_from(sorted(whole)))
    how, content = damage(data, whole[path], foreign())
    path.write_bytes(content)
    try:
        found = KINDS[kind].load()
    except InputError:
        count(kind, how, "refused")
    else:
        count(kind, how, "read")
        if KINDS[kind].exact:
            assert plain(found) == expected
        else:
            assert all(type(value) is float and np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("metrics", "part of a split", "finished state")]
)
def test_a_flip_in_the_middle_of_any_file_is_caught(kind, made):
    for path, content in made(kind).items():
        flipped = bytearray(content)
        flipped[len(flipped) // 2] ^= 4
        made(kind)
        path.write_bytes(flipped)
        with pytest.raises(InputError):
            KINDS[kind].load()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "state" not in kind])
@pytest.mark.parametrize("what", ["empty", "folder", "gone", "forbidden"])
def test_each_file_that_is_none_is_named_with_the_command_that_helps(kind, what, made, monkeypatch):
    for path in made(kind):
        made(kind)
        if kind == "part of a split" and "val" not in path.parts and path.name != "split.json":
            continue
        if what == "empty":
            path.write_bytes(b"")
        elif what == "forbidden":
            forbid(path, monkeypatch)
        else:
            path.unlink()
            if what == "folder":
                path.mkdir()
        with pytest.raises(InputError, match="chmod" if what == "forbidden" else "`dvc repro") as caught:
            KINDS[kind].load()
        assert ("tools/mend_cache.py" in str(caught.value)) == (what in ("empty", "folder"))
        monkeypatch.undo()


def forbid(path: Path, monkeypatch) -> None:
    """As for a user without permission (root, who tests may run as, has every permission)."""
    import builtins

    real = io.open
    here, target = Path.cwd(), path.resolve()

    def refuse(file, *args, **kwargs):
        if isinstance(file, str | Path) and Path(file).resolve() == target:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.chdir(here)


@pytest.mark.parametrize(
    "content", ["{}", "[]", "null", "3", '{"digests": 3}', '{"digests": {"this file": null}}', "["]
)
@pytest.mark.parametrize("kind", ["checkpoint", "split", "ImageNet weights", "ONNX model", "metrics"])
def test_a_json_of_another_shape_is_refused(kind, made, content):
    (about,) = [path for path in made(kind) if path.suffix == ".json"]
    about.write_text(content)
    with pytest.raises(InputError, match=r"holds no .*`dvc repro"):
        KINDS[kind].load()


@pytest.mark.parametrize("value", ["true", "1", '"0.5"', "[0.5]", "null", "NaN", "Infinity", "1e999"])
def test_metrics_that_are_no_floats_are_refused(made, value):
    made("metrics")
    Path("metrics/a.json").write_text(f'{{"accuracy": 0.5, "nll": {value}}}')
    with pytest.raises(InputError, match=r"metrics/a\.json holds no metrics \(expected finite floats"):
        metrics.load("a")


def test_the_weights_of_another_architecture_in_the_folder_are_refused(made):
    made("checkpoint")
    other = Checkpoint({"arch": "another"}, {"fc": torch.zeros(3)})
    checkpoints.save("models/b", other)
    shutil.copy("models/b/model.safetensors", "models/a/model.safetensors")
    with pytest.raises(InputError, match=r"models/a holds no checkpoint \(model\.safetensors has another digest"):
        checkpoints.load("models/a")


def test_a_part_of_another_split_is_refused(made):
    made("split")
    shutil.copytree("data/split/test", "data/split/val", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"images\.npy has another digest"):
        splits.load_part("data/split", "val")
    splits.load_part("data/split", "test")


def test_equal_artifacts_have_equal_bytes(made):
    for kind in KINDS:
        if kind not in ("finished state",):
            assert made(kind) == made(kind)


def test_weights_carry_no_metadata(made):
    made("checkpoint")
    header = Path("models/a/model.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    assert "__metadata__" not in json.loads(header[8 : 8 + size])
