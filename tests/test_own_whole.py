"""Every stage on photographs of one's own, with names in any script and files of every kind: what is said is true."""

import ast
import csv
import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from dvcfile import STAGES, arguments, script
from imports import ROOT
from ladder import predict, presets
from ladder.core.artifacts import files
from ladder.reporting import markdown, model_card

# Class -> photograph, left, top: sixteen places of 90 px each, that overlap by a third
CLASSES = {"城楼 & Straße": (0, 150, 0), "leaf's edge": (1, 0, 0), "صورة": (1, 260, 120)}
EACH = 16
NAMES = ("{} my photo.jpg", "Müller-{}.png", "写真{}.heic", "-{}.tif", 'it\'s "{}".JPEG', "a%b#c?{}&d.png")


def save(image: Image.Image, path: Path) -> None:
    """In the format of its name: a TIFF in 16 bits, a JPEG turned by its EXIF data."""
    if path.suffix == ".tif":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    elif path.suffix == ".heic":
        pillow_heif.from_pillow(image).save(path)
    elif path.suffix == ".JPEG":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    else:
        image.save(path)


def photos(folder: Path) -> None:
    originals = [Image.fromarray(photo) for photo in load_sample_images().images]
    for name, (photo, left, top) in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            x, y = left + 60 * (number % 4), top + 50 * (number // 4)
            crop = originals[photo].crop((x, y, x + 90, y + 80))
            save(crop, folder / name / NAMES[number % len(NAMES)].format(number))
    shutil.copy(folder / "صورة/Müller-1.png", folder / "صورة/copy.png")


def rows_of(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder in which every stage has run, by the networks of the `tiny` preset, and what they printed."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("params.yaml", "ladder.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("presets", "assets", "docs"):
        (folder / name).symlink_to(ROOT / name)
    photos(folder / "my_images")
    own = presets.load("own_images")
    data = own["data"] | {"image_size": 32, "val_size": 0.25, "test_size": 0.25}
    more = {"data": data, "report": own["report"], "inspect": own["inspect"], "benchmark": {"seconds": 5}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DVC_ROOT", raising=False)
        presets.apply("tiny", more=more)
        for stage in STAGES.values():
            runpy.run_path(str(ROOT / script(stage)))["main"](*arguments(stage))
    return folder


@pytest.fixture
def there(whole, monkeypatch):
    monkeypatch.chdir(whole)
    return whole


@pytest.mark.slow
def test_no_word_is_about_other_images(there):
    texts = [path for path in there.rglob("*") if path.suffix in (".md", ".html", ".csv", ".json")]
    written = [path for path in texts if not path.is_relative_to(there / "presets") and "assets" not in path.parts]
    assert {"report.md", "my_report.html", "benchmark.html", "mistakes.csv"} <= {path.name for path in written}
    for path in written:
        said = re.sub(r"data:image/png;base64,[^\"]*", "", path.read_text(encoding="utf-8"))
        assert not re.findall(r"(?i)cifar|handwritten|airplane|mobilenet", said), path


@pytest.mark.slow
def test_classes_and_counts_are_those_of_the_folder(there):
    counted = {row["class"]: row for row in rows_of("plots/data/counts.csv")}
    assert counted.keys() >= CLASSES.keys()
    total = {name: sum(int(counted[name][part]) for part in ("train", "val", "test")) for name in CLASSES}
    assert total == dict.fromkeys(CLASSES, EACH) | {"صورة": EACH + 1}
    report = Path("report.md").read_text(encoding="utf-8")
    for name, row in counted.items():
        shown = f"\u2068{name}\u2069" if name == "صورة" else name
        assert name not in CLASSES or f"{shown} ({row['val']}, {row['test']})" in report


@pytest.mark.slow
def test_what_the_split_keeps_together_is_no_duplicate_across_parts(there):
    assert json.loads(Path("metrics/data.json").read_text())["test_near_in_train"] == 0


@pytest.mark.slow
def test_mistakes_name_files_that_are_there_the_surest_first(there):
    rows = rows_of("plots/train_aug/mistakes.csv")
    accuracy = json.loads(Path("metrics/train_aug.json").read_text())["accuracy"]
    tested = sum(int(row["images"]) for row in rows_of("plots/train_aug/classes.csv"))
    assert len(rows) == round((1 - accuracy) * tested)
    for row in rows:
        assert (there / "my_images" / row["image"]).is_file()
        assert row["image"].split("/")[0] == row["label"] != row["answer"]
    sure = [float(row["probability"]) for row in rows]
    assert sure == sorted(sure, reverse=True)


@pytest.mark.slow
def test_pictures_of_them_lie_where_git_does_not_look(there):
    shown = {path.relative_to(there).as_posix() for path in (there / "private").rglob("*.png")}
    assert {"private/labels/doubtful.png", "private/report/fixed.png", "private/data/near_duplicates.png"} <= shown
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"/private/", "/my_report.html"} <= set(ignored)


@pytest.mark.slow
def test_the_cards_lines_answer_as_predict_does(there, capsys):
    model, answered = Path("deployed/distill_static.onnx"), Path("answered")
    answered.mkdir(exist_ok=True)
    from ladder import params
    from ladder.deploy import onnx_files

    card = model_card.text(model, onnx_files.about(model), "0" * 32, params.read())
    markdown.write(answered / "README.md", card)
    for suffix in (".onnx", ".json"):
        with files.atomic((answered / "student_int8").with_suffix(suffix)) as temporary:
            shutil.copyfile(model.with_suffix(suffix), temporary)
    (code,) = re.findall(r"(?s)  ```python\n(.*?)  ```", card)
    (answered / "example.py").write_text("".join(f"{line.removeprefix('  ')}\n" for line in code.splitlines()))
    photo = (there / 'my_images/صورة/it\'s "4".JPEG').as_posix()
    done = subprocess.run(
        [sys.executable, "-I", "example.py", photo], cwd=answered, capture_output=True, text=True, check=True
    )
    assert predict.main([photo, "--model", "answered/student_int8.onnx", "--csv", "--top", "3"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    shown = ast.literal_eval(done.stdout)
    assert set(shown) == set(CLASSES)
    assert shown[row["class"]] == pytest.approx(float(row["probability"]), rel=1e-9)
