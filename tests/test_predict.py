"""`python -m ladder.predict` on tiny ONNX files and one checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from conftest import colored
from imports import ROOT, SRC
from ladder import predict

COLORS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}


def write_onnx(path: Path, classes=tuple(COLORS), size: int = 8, known: int = 3) -> Path:
    """Logits = mean of each channel / 25: the strongest color wins. `known`: classes that the JSON names."""
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Div", ["flat", "scale"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 3, size, size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    scale = numpy_helper.from_array(np.float32(25), "scale")
    graph = helper.make_graph(nodes, "colors", [pixels], [logits], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    about = {"classes": list(classes)[:known], "image_size": size, "digest": "what else there is is ignored"}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


def write_image(path: Path, color: str, size=(20, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, COLORS[color]).save(path)
    return path


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A repository with the int8 student of its own run, and a folder beside it as the current one."""
    root = tmp_path / "clone"
    write_onnx(root / predict.OWN)
    monkeypatch.setattr(predict, "ROOT", root)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return root


def run(*arguments: str) -> int:
    return predict.main(list(arguments))


def test_a_table_with_runners_up(clone, capsys):
    write_image(Path("a.png"), "red")
    assert run("a.png") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["file", "class", "probability", "then"]
    assert row.split()[:3] == ["a.png", "red", "100.0%"]
    assert row.endswith("green 0.0%, blue 0.0%")


def test_top_1_has_no_runners_up(clone, capsys):
    write_image(Path("a.png"), "blue")
    assert run("a.png", "--top", "1") == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["file", "class", "probability"]


def test_json_gives_probabilities_that_add_up(clone, capsys):
    write_image(Path("a.png"), "green", (8, 8))
    assert run("a.png", "--json", "--top", "99") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["model"].endswith("distill_static.onnx")
    (image,) = printed["images"]
    assert (image["file"], image["class"]) == ("a.png", "green")
    shares = np.exp(np.array(COLORS["green"]) / 25)
    assert [other["class"] for other in image["top"]] == ["green", "red", "blue"]
    assert image["probability"] == pytest.approx(shares[1] / shares.sum(), rel=1e-5)
    assert sum(other["probability"] for other in image["top"]) == pytest.approx(1)
    assert "entropy" not in image


def test_folders_are_searched_in_order(clone, capsys):
    for name, color in {"f/b.JPG": "red", "f/a/z.png": "blue", "f/.hidden.png": "red", "f/.git/x.png": "red"}.items():
        write_image(Path(name), color)
    Path("f/notes.txt").write_text("no image")
    assert run("f", "--json") == 0
    found = json.loads(capsys.readouterr().out)["images"]
    assert [(Path(image["file"]).as_posix(), image["class"]) for image in found] == [
        ("f/a/z.png", "blue"),
        ("f/b.JPG", "red"),
    ]


def test_more_images_than_a_batch_keep_their_order(clone, capsys, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    names = ["red", "green", "blue", "green", "red"]
    for number, color in enumerate(names):
        write_image(Path(f"f/{number}.png"), color)
    assert run("f", "--json") == 0
    assert [image["class"] for image in json.loads(capsys.readouterr().out)["images"]] == names


def test_what_cannot_be_read_is_reported_one_by_one(clone, capsys):
    write_image(Path("f/good.png"), "red")
    Path("f/empty.png").write_bytes(b"")
    whole = write_image(Path("f/cut.png"), "red", (400, 300)).read_bytes()
    Path("f/cut.png").write_bytes(whole[: len(whole) // 2])
    Path("notes.txt").write_text("no image")
    Path("nothing").mkdir()
    assert run("f", "notes.txt", "missing.png", "nothing") == 1
    out, err = capsys.readouterr()
    assert "good.png" in out
    assert "cut.png" not in out
    for line, name in zip(err.splitlines(), ["cut", "empty", "notes", "missing", "nothing"], strict=True):
        assert name in line
    assert "nothing holds no image files" in err


def test_nothing_readable_prints_no_table(clone, capsys):
    assert run("missing.png") == 1
    assert capsys.readouterr().out == ""
    assert run("missing.png", "--json") == 1
    assert json.loads(capsys.readouterr().out)["images"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
def test_a_file_name_that_is_no_text_is_printed(clone, capsys):
    os.rename(write_image(Path("a.png"), "red"), b"\xff.png")
    assert run(".") == 0
    assert "\\udcff.png" in capsys.readouterr().out
    assert run(".", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["file"] == os.fsdecode(b"\xff.png")


# --- which model


def test_the_released_model_serves_a_bare_clone(clone):
    (clone / predict.OWN).unlink()
    released = write_onnx(clone / predict.RELEASED)
    assert predict.find(None) == released


def test_without_any_model_it_says_how_to_get_one(clone, capsys):
    (clone / predict.OWN).unlink()
    assert run("a.png") == 2
    err = capsys.readouterr().err
    assert "`dvc repro quantize` makes" in err
    assert "Traceback" not in err


def test_names_and_paths(clone):
    quantized = write_onnx(clone / "models/quantize/train_resnet_static.onnx")
    assert predict.find("train_resnet_static") == quantized
    assert predict.find("models/quantize/train_resnet_static.onnx") == quantized
    assert predict.find(str(quantized)) == quantized
    mine = write_onnx(Path("mine.onnx"))
    assert predict.find("mine.onnx") == mine


def test_an_unknown_model_is_refused_with_a_hint(clone, capsys):
    assert run("a.png", "--model", "distil_static") == 2
    assert "did you mean distill_static" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "{", "[]", '{"classes": ["a"]}', '{"classes": 3, "image_size": 8}'])
def test_a_model_without_its_description_is_refused(clone, capsys, text):
    about = (clone / predict.OWN).with_suffix(".json")
    about.unlink() if text is None else about.write_text(text)
    assert run("a.png") == 2
    assert "must give the `classes` and `image_size`" in capsys.readouterr().err


def test_a_model_of_other_classes_is_refused(clone, capsys):
    write_onnx(clone / predict.OWN, known=2)
    write_image(Path("a.png"), "red")
    assert run("a.png") == 2
    assert "has 3 classes" in capsys.readouterr().err


def test_a_model_of_another_image_size_is_refused(clone, capsys):
    (clone / predict.OWN).with_suffix(".json").write_text(json.dumps({"classes": list(COLORS), "image_size": 9}))
    write_image(Path("a.png"), "red")
    assert run("a.png") == 2
    assert "does not turn `images` uint8 (1, 3, 9, 9)" in capsys.readouterr().err


def test_a_damaged_model_is_refused(clone, capsys):
    (clone / predict.OWN).write_bytes(b"onnx?")
    assert run("a.png") == 2
    assert "is no ONNX model" in capsys.readouterr().err


def test_samples_need_dropout(clone, capsys):
    assert run("a.png", "--samples", "5") == 2
    assert "--model distill" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["a.png", "--top", "0"], ["a.png", "--samples", "1"], ["a.png", "--bad"]])
def test_usage_errors_exit_with_2(clone, capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


# --- checkpoints


def checkpoint(folder: Path, drop_rate: float) -> None:
    from test_uncertainty import network

    from ladder.core.artifacts import checkpoints
    from ladder.core.types import Checkpoint

    model = network(drop_rate=drop_rate)
    checkpoints.save(folder, Checkpoint(model.config | {"image_size": 8}, model.state_dict()))


def test_a_checkpoint_gives_uncertainty_and_the_same_twice(clone, capsys):
    checkpoint(clone / "models/distill", drop_rate=0.5)
    for number, image in enumerate(colored(1, 0, seed=0).images):
        Path("f").mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(f"f/{number}.png")
    assert run("f", "--model", "distill", "--json") == 0
    assert "entropy" not in json.loads(capsys.readouterr().out)["images"][0]
    printed = []
    for _ in range(2):
        assert run("f", "--model", "distill", "--samples", "5", "--json") == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    for image in json.loads(printed[0])["images"]:
        assert 0 < image["mutual_information"] < image["entropy"] <= np.log(3)
    assert run("f", "--model", "distill", "--samples", "5") == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [
        "file",
        "class",
        "probability",
        "entropy",
        "mutual",
        "information",
        "then",
    ]


def test_a_checkpoint_without_dropout_gives_no_samples(clone, capsys):
    checkpoint(clone / "models/distill", drop_rate=0.0)
    write_image(Path("a.png"), "red")
    assert run("a.png", "--model", "distill", "--samples", "5") == 2
    assert "student.drop_rate" in capsys.readouterr().err
    assert run("a.png", "--model", "distill") == 0


def test_onnx_runs_without_torch(tmp_path):
    model, image = write_onnx(tmp_path / "m.onnx"), write_image(tmp_path / "a.png", "red")
    code = (
        "import sys; from ladder import predict; status = predict.main(sys.argv[1:]);"
        "sys.exit(status or 9 * any(m in sys.modules for m in ('torch', 'timm', 'pydantic')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(image), "--model", str(model)],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "red" in ended.stdout
    assert ended.stderr == ""


def test_help_of_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "ladder.predict", "--help"],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    assert "--samples" in ended.stdout
