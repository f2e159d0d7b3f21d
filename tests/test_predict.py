"""`python -m ladder.predict` on tiny ONNX files and one checkpoint."""

import contextlib
import csv
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pillow_heif
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from conftest import colored
from fuzzing import bounded
from imports import ROOT, SRC
from ladder import given_files, predict, predict_output
from odd_images import IN_TIFF, NOISE, encoded, tiff

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
    header, row, _, said = capsys.readouterr().out.splitlines()
    assert said == "answered by deployed/distill_static.onnx: red, green, blue"
    assert header.split() == ["file", "class", "probability", "then"]
    assert row.split()[:3] == ["a.png", "red", "100.0%"]
    assert row.endswith("green 0.0%, blue 0.0%")


def test_csv_has_a_row_for_each_image_and_says_the_model_aside(clone, capsys):
    for name, color in (("f/b, c.png", "red"), ("f/a.png", "blue")):
        write_image(Path(name), color)
    assert run("f", "missing.png", "--csv", "--top", "2") == 1
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["file"], row["class"], row["class_2"]) for row in rows] == [
        ("f/a.png", "blue", "red"),
        ("f/b, c.png", "red", "green"),
    ]
    assert all(float(row["probability"]) > float(row["probability_2"]) >= 0 for row in rows)
    assert err.splitlines()[-1].startswith("predict: answered by deployed/distill_static.onnx")


def test_csv_of_nothing_is_its_header(clone, capsys):
    assert run("missing.png", "--csv") == 1
    assert capsys.readouterr().out == "file,class,probability\n"


def test_json_and_csv_are_not_both(clone):
    with pytest.raises(SystemExit):
        run("a.png", "--json", "--csv")


def test_the_shipped_model_is_called_that(clone, capsys):
    (clone / predict.OWN).unlink()
    about = json.loads((write_onnx(clone / predict.RELEASED)).with_suffix(".json").read_text())
    (clone / predict.RELEASED).with_suffix(".json").write_text(json.dumps(about | {"source": "cifar10_jpeg"}))
    write_image(Path("a.png"), "red")
    assert run("a.png") == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(
        "answered by release/student_int8.onnx, the model that comes with this repository, trained on"
    )
    assert "CIFAR-10: it knows red, green, blue and nothing else (`dvc repro quantize` makes one of your own" in said
    assert run("a.png", "--json") == 0
    assert "the model that comes with this repository" in json.loads(capsys.readouterr().out)["about"]


@pytest.mark.parametrize("how", ["crop", "pad"])
def test_images_are_made_square_as_in_training(clone, capsys, how):
    """A red image with green ends: the crop sees no green, bars of gray change nothing of which color is strongest."""
    about = json.loads((clone / predict.OWN).with_suffix(".json").read_text())
    (clone / predict.OWN).with_suffix(".json").write_text(json.dumps(about | {"fit": how}))
    image = Image.new("RGB", (40, 10), COLORS["green"])
    image.paste(COLORS["red"], (15, 0, 25, 10))
    image.save("a.png")
    assert run("a.png", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["class"] == {"crop": "red", "pad": "green"}[how]


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
    for junk in ("f/Thumbs.db", "f/a/desktop.ini", "f/.DS_Store"):
        Path(junk).write_text("no image")
    assert run("f", "--json") == 0
    out, err = capsys.readouterr()
    left_out = "f/.DS_Store, f/.git/, f/.hidden.png, f/Thumbs.db, f/a/desktop.ini"
    assert err.splitlines() == [f"f: not read, hidden or a system's: {left_out}"]
    found = json.loads(out)["images"]
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


# --- odd paths


def told(capsys) -> list[str]:
    """The lines of stderr."""
    return capsys.readouterr().err.splitlines()


def test_no_file_of_a_folder_is_left_out_in_silence(clone, capsys):
    """Training takes files by what they are, whatever their suffix, and so does this."""
    write_image(Path("f/a.png"), "red").rename("f/no-suffix")
    write_image(Path("f/b.png"), "red").rename("f/b.txt")
    pillow_heif.from_pillow(Image.new("RGB", (32, 32), COLORS["blue"])).save("f/c.heic")
    for name, content in {"f/notes.md": b"text", "f/v.mp4": b"\0\0\0\x18ftypisom", "f/w.pth": b"PK\3\4"}.items():
        Path(name).write_bytes(content)
    assert run("f", "--json") == 1
    out, err = capsys.readouterr()
    classified = [(image["file"], image["class"]) for image in json.loads(out)["images"]]
    assert classified == [("f/b.txt", "red"), ("f/c.heic", "blue"), ("f/no-suffix", "red")]
    assert [line.split()[0] for line in err.splitlines()] == ["f/notes.md", "f/v.mp4", "f/w.pth"]


def big(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(40 * 2**30)  # sparse


def bind(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)


@pytest.mark.skipif(sys.platform == "win32", reason="has other kinds of files")
@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        pytest.param(None, "", "'' is no path", id="empty"),
        pytest.param(None, "missing.png", "No such file", id="missing"),
        pytest.param(None, "a" * 300, "File name too long", id="long-name"),
        pytest.param(None, "a/" * 3000, "File name too long", id="long-path"),
        pytest.param(None, "a\0b", "it holds a NUL", id="nul"),
        pytest.param(None, "good.png/x", "Not a directory", id="below-a-file"),
        pytest.param(None, "/dev/zero", "is a device", id="device"),
        pytest.param(big, "big.png", "has 42,949,672,960 bytes", id="sparse"),
        pytest.param(os.mkfifo, "pipe.png", "is a pipe", id="pipe"),
        pytest.param(bind, "socket.png", "is a socket", id="socket"),
        pytest.param(lambda path: os.symlink(path, path), "loop.png", "symbolic links", id="link-to-itself"),
        pytest.param(lambda path: os.symlink("nowhere", path), "broken.png", "No such file", id="broken-link"),
        pytest.param(os.mkdir, "nothing", "holds no image files", id="empty-folder"),
    ],
)
def test_what_is_no_image_file_is_said_and_the_rest_classified(clone, capsys, make, name, message):
    write_image(Path("good.png"), "red")
    if make:
        make(name)
    assert run(name, "good.png", "--json") == 1
    out, err = capsys.readouterr()
    assert [image["file"] for image in json.loads(out)["images"]] == ["good.png"]
    (line,) = err.splitlines()
    assert message in line
    if make and make is not os.mkdir:  # and as one of the files of a folder
        assert run(".", "--json") == 1
        out, err = capsys.readouterr()
        assert [image["file"] for image in json.loads(out)["images"]] == ["good.png"]
        assert len(err.splitlines()) == 1


def test_what_is_larger_than_it_says_is_not_read_whole(tmp_path, monkeypatch):
    """Files that the kernel shows have a size of 0."""
    monkeypatch.setattr(given_files, "MAX_FILE_BYTES", 10)
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc here")
    with pytest.raises(predict.InputError, match="has more than 10 bytes, at most 10 are read"):
        given_files.read("/proc/self/maps")


@contextlib.contextmanager
def nobody():
    """Without root's leave to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


HALF = predict.Model(
    Path("half"), ["cat\n", "dog"], 4, "squash", "half", lambda batch: np.log(np.full((1, len(batch), 2), 0.5))
)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="has other permissions")
def test_files_and_folders_without_permission(capsys):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to all but their owner
        for name in ("good.png", "closed.png", "locked/a.png"):
            write_image(Path(folder, name), "red")
        for name, mode in (("closed.png", 0), ("locked", 0), ("", 0o755)):
            os.chmod(Path(folder, name), mode)
        with nobody():
            found, failures = predict.classify(HALF, [folder, f"{folder}/locked/a.png"], 1)
        os.chmod(Path(folder, "locked"), 0o700)
    assert ([image["file"] for image in found], failures) == ([f"{folder}/good.png"], 3)
    assert sorted(told(capsys)) == [
        f"{folder}/closed.png cannot be read (Permission denied)",
        f"{folder}/locked cannot be searched (Permission denied)",
        f"{folder}/locked/a.png cannot be read (Permission denied)",
    ]


def test_links_are_followed_and_their_loops_end(clone, capsys):
    write_image(Path("elsewhere/a.png"), "red")
    Path("f/deep").mkdir(parents=True)
    Path("f/deep/up").symlink_to("..")
    Path("f/link").symlink_to(Path("elsewhere").absolute())
    assert run("f", "--json") == 0
    assert [image["file"] for image in json.loads(capsys.readouterr().out)["images"]] == ["f/link/a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="has shorter paths")
def test_folders_deeper_than_python_recurses(clone, capsys):
    top = os.getcwd()
    try:
        for _ in range(1200):
            os.mkdir("a")
            os.chdir("a")
        write_image(Path("a.png"), "red")
        os.chdir(top)
        assert run("a", "--json") == 0
        assert len(json.loads(capsys.readouterr().out)["images"]) == 1
    finally:
        os.chdir(top)
        subprocess.run(["rm", "-rf", "a"], check=True)  # pytest's own way recurses


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
def test_a_file_name_that_is_no_text_is_printed(clone, capsys):
    os.rename(write_image(Path("a.png"), "red"), b"\xff.png")
    assert run(".") == 0
    assert "\\udcff.png" in capsys.readouterr().out
    assert run(".", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["file"] == os.fsdecode(b"\xff.png")


PIXELS = io.BytesIO()
Image.new("RGB", (4, 4), COLORS["green"]).save(PIXELS, "BMP")
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60),
    st.binary(min_size=1, max_size=200).map(
        lambda name: os.fsdecode(name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    ),
)


@pytest.mark.skipif(sys.platform == "win32", reason="has other names")
@bounded(60)
@given(names=st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=4, unique_by=lambda item: item[0]))
@example([("two\nlines\r\u2028.png", False), ("\x1b[2J", True)])
@example([("-", True), ("--", False), ("~", True), ("\u202e", False), (os.fsdecode(b"caf\xe9"), True)])
def test_any_name_is_one_row_or_one_line(tmp_path_factory, names):
    folder = tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())
    names = [(name, good) for name, good in names if not given_files.is_junk(name)]
    for name, good in names:
        Path(folder, name).write_bytes(PIXELS.getvalue() if good else b"no image")
    out, err = io.TextIOWrapper(io.BytesIO(), "ascii"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found, failures = predict.classify(HALF, [f"{folder}/{name}" for name, _ in names], 1)
        if found:
            assert predict_output.write(predict_output.as_table(found))
    good = sum(good for _, good in names)
    assert (len(found), failures) == (good, len(names) - good)
    assert len(err.getvalue().splitlines()) == failures
    out.seek(0)
    assert len(out.read().splitlines()) == (good + 1 if good else 0)


# --- where the answer goes


def in_a_process(tmp_path, *arguments: str, redirect: str = "") -> subprocess.CompletedProcess:
    """Through a shell, on a tiny model and `a.png`."""
    model = write_onnx(tmp_path / "m.onnx")
    write_image(tmp_path / "a.png", "red")
    command = f'"$0" -m ladder.predict --model "$1" "${{@:2}}" {redirect}'
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    shell = ["bash", "-c", f"set -o pipefail; {command}", sys.executable, str(model), *arguments]
    return subprocess.run(shell, env=environment, cwd=tmp_path, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="has no bash")
@pytest.mark.parametrize(
    ("redirect", "reason"),
    [
        ("| sleep 0", "Broken pipe"),
        (">&-", "standard output is closed"),
        pytest.param(
            ">/dev/full",
            "No space left",
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full"),
        ),
    ],
)
@pytest.mark.parametrize("form", ["--json", "--top=2"])
def test_an_answer_that_nobody_takes(tmp_path, redirect, reason, form):
    ended = in_a_process(tmp_path, "a.png", "missing.png", form, redirect=redirect)
    assert ended.returncode == 1
    assert [line.partition(" (")[2] for line in ended.stderr.splitlines()] == [
        "No such file or directory)",
        f"{reason}{' on device' if 'space' in reason else ''})",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="has no bash")
@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
def test_problems_that_nobody_hears(tmp_path, redirect):
    ended = in_a_process(tmp_path, "a.png", "missing.png", redirect=redirect)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(ended.stdout.splitlines()) == 4


def test_pillow_and_its_libraries_say_nothing(tmp_path):
    """Whatever odd files lead them to: warnings, log lines, what libtiff writes past Python."""
    odd = {f"{name}.tif": tiff(encoded(NOISE, "TIFF", compression="tiff_lzw"), tag) for name, tag in IN_TIFF.items()}
    odd["apng.png"] = encoded(NOISE).replace(b"IDAT", b"acTL\0\0\0\0\0\0\0\0", 1)
    odd["resolution.tif"] = tiff(encoded(NOISE, "TIFF", compression="tiff_lzw"), (281, 2, 4, b"ab\0\0"))
    palette = Image.new("P", (9, 9))
    palette.putpalette(range(9))
    odd["palette.png"] = encoded(palette, transparency=bytes(range(3)))
    odd["bomb.png"] = encoded(Image.new("1", (9000, 9990)))  # above Pillow's first limit, it warns
    for name, content in odd.items():
        (tmp_path / "f").mkdir(exist_ok=True)
        (tmp_path / "f" / name).write_bytes(content)
    ended = in_a_process(tmp_path, "f", "--json")
    files = {image["file"] for image in json.loads(ended.stdout)["images"]}
    lines = ended.stderr.splitlines()
    assert {line.split()[0] for line in lines} | files == {f"f/{name}" for name in odd}
    assert len(lines) + len(files) == len(odd)
    assert "f/palette.png" in files


def test_dark_images_are_counted(clone, capsys):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(name)
    write_image(Path("c.png"), "red")
    assert run(".") == 0
    (line,) = told(capsys)
    assert line.startswith("predict: 2 16-bit images use less than")


def test_ctrl_c_is_one_line(clone, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(given_files, "read", stop)
    assert run("a.png") == 130
    assert told(capsys) == ["predict: stopped"]


def test_out_of_memory_is_one_line_and_a_mistake_of_ours_is_not(clone, capsys, monkeypatch):
    def fail(*_):
        raise errors.pop()

    errors = [ZeroDivisionError(), MemoryError("Unable to allocate 9 GiB")]
    monkeypatch.setattr(given_files, "read", fail)
    assert run("a.png") == 2
    (line,) = told(capsys)
    assert line.startswith("predict: out of memory (Unable to allocate 9 GiB): end other programs")
    with pytest.raises(ZeroDivisionError):
        run("a.png")


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
    quantized = write_onnx(clone / "deployed/train_resnet_static.onnx")
    assert predict.find("train_resnet_static") == quantized
    assert predict.find("deployed/train_resnet_static.onnx") == quantized
    assert predict.find(str(quantized)) == quantized
    mine = write_onnx(Path("mine.onnx"))
    assert predict.find("mine.onnx") == mine


def test_an_unknown_model_is_refused_with_a_hint(clone, capsys):
    assert run("a.png", "--model", "distil_static") == 2
    assert "did you mean distill_static" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a" * 300, "a/" * 3000, "nul\0", "nowhere.onnx", "."])
def test_odd_names_of_models_are_refused(clone, capsys, name):
    assert run("a.png", "--model", name) == 2
    assert len(told(capsys)) == 1


@pytest.mark.parametrize(
    "text", [None, "{", "[" * 100_000, "[]", '{"classes": ["a"]}', '{"classes": 3, "image_size": 8}']
)
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
    from ladder.core.artifacts import checkpoints
    from ladder.core.types import Checkpoint
    from networks import network

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
    assert "set the drop_rate of its recipe" in capsys.readouterr().err
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
