"""`make images`: what it says of a folder of photos, and what it changes; nothing where something is wrong."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import pipeline
from imports import ROOT
from ladder import own_images, own_time, params
from ladder.core.errors import InputError
from trees import write

PHOTOS = [Image.fromarray(photo) for photo in load_sample_images().images]


def crop(photo: int, number: int, kind: str = "JPEG") -> bytes:
    """One of forty squares of 40 px of a photograph, that do not overlap and are no plain sky."""
    left, top = 60 * (number % 10), (180 if photo == 0 else 0) + 60 * (number // 10)
    stream = io.BytesIO()
    PHOTOS[photo].crop((left, top, left + 58, top + 58)).save(stream, kind)
    return stream.getvalue()


def photos(per_class: int = 20) -> dict[str, bytes]:
    return {
        f"{name}/{n}.jpg": crop(label, n) for label, name in enumerate(("temple", "flower")) for n in range(per_class)
    }


@pytest.fixture
def clone(workspace, monkeypatch):
    """An empty Git and DVC repository with the params; nothing is timed."""
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        subprocess.run(command, env=pipeline.ENVIRONMENT, check=True)
    shutil.copy(ROOT / ".gitignore", workspace)
    monkeypatch.setattr(own_time, "minutes", lambda *_: 17)
    monkeypatch.setattr(own_time, "free_gb", lambda: 8.0)
    return workspace


def ignored(path: str) -> bool:
    return subprocess.run(["git", "check-ignore", "--quiet", path]).returncode == 0


def test_a_folder_of_the_clone(clone, capsys):
    write(clone / "mine", photos())
    own_images.main("mine")
    p, said = params.read(), capsys.readouterr().out
    assert (p.data.source, p.data.path, p.data.val_size, p.data.test_size) == ("image_folder", "mine", 0.15, 0.15)
    assert Path("mine.dvc").is_file()
    assert ignored("mine/temple/1.jpg")
    for words in (
        "flower  20",
        "temple  20",
        "pixels: from 58 x 58 to 58 x 58",
        "28 to train, 6 to validate, 6 to test",
        "next: `make repro JOBS=2`, about 17 minutes here",
    ):
        assert words in said


def test_pictures_of_them_stay_out_of_git(clone):
    write(clone / "mine", photos())
    own_images.main("mine")
    assert params.read().data.pictures == "private"
    assert ignored("private/report/fixed.png")


def test_a_folder_from_elsewhere_is_copied_and_not_touched(clone, tmp_path_factory, capsys):
    outside = write(tmp_path_factory.mktemp("elsewhere") / "holiday 2026", photos())
    own_images.main(str(outside))
    assert params.read().data.path == "my_images"
    assert sorted(path.name for path in Path("my_images").iterdir()) == ["flower", "temple"]
    assert "copied to my_images (`dvc add`)" in capsys.readouterr().out
    assert ignored("my_images/temple/1.jpg")
    with pytest.raises(
        InputError, match=r"would be copied to my_images, which is there already: `make images DIR=my_im"
    ):
        own_images.main(str(outside))


def test_parts_that_are_there_are_used(clone, capsys):
    tree = {f"{part}/{name}": content for part in ("train", "valid", "test") for name, content in photos(4).items()}
    write(clone / "mine", tree)
    own_images.main("mine")
    assert (params.read().data.val_size, params.read().data.test_size) == (None, None)
    said = capsys.readouterr().out
    assert "8 to train, 8 to validate, 8 to test" in said
    assert "8 test images of the folder belong together with training images (test/flower/0.jpg, ...)" in said


def test_few_images_get_larger_shares_and_more_epochs(clone):
    write(clone / "mine", photos(4))
    own_images.main("mine")
    p = params.read()
    assert p.data.val_size == p.data.test_size == 0.2  # of eight: one of each class
    assert (p.ablation.epochs, p.ablation.batch_size, p.student.epochs) == (30, 16, 52)


@pytest.mark.parametrize(("train", "epochs"), [(100, 28), (700, 4), (5000, 3)])
@pytest.mark.parametrize(("free", "batch"), [(8.0, 32), (2.0, 16)])
def test_epochs_follow_the_number_of_images_and_batches_the_memory(monkeypatch, train, epochs, free, batch):
    monkeypatch.setattr(own_time, "free_gb", lambda: free)
    made = own_images._overrides("mine", {"val_size": 0.15}, train)
    assert made["ablation"] == {"batch_size": batch if train >= 200 else 16, "epochs": epochs}
    assert made["student"]["epochs"] == round(epochs * 7 / 4)
    assert made["data"] == {"path": "mine", "val_size": 0.15, "test_size": None}


def test_the_same_picture_in_two_classes_is_named(clone, capsys):
    write(clone / "mine", photos() | {"flower/copy.png": crop(0, 7, "PNG")})
    own_images.main("mine")
    assert "two images belong together and lie in two classes, look at them: flower/copy.png and temple/7.jpg" in (
        capsys.readouterr().out
    )


def test_archives_keep_their_ending(clone, tmp_path_factory):
    outside = write(tmp_path_factory.mktemp("elsewhere") / "photos.tar.gz", photos())
    own_images.main(str(outside))
    assert params.read().data.path == "my_images.tar.gz"
    assert Path("my_images.tar.gz.dvc").is_file()


@pytest.mark.parametrize(
    ("given", "tree", "message"),
    [
        ("", {}, "^DIR is no folder of photos: give one, as in `make images DIR=path/to/photos`"),
        ("nowhere", {}, "^nowhere is no folder of photos"),
        ("data/mine", photos(4), "path must be their folder or archive, outside of data/"),
        ("mine", photos(2), "cannot be drawn from 4 images of 2 classes"),
        (
            "mine",
            {"a/1.jpg": b"", "a/2.jpg": b"text", "b/3.jpg": b"x"},
            "(?s)3 of 3 images cannot be read:.*a/1.*a/2.*b/3",
        ),
    ],
)
def test_where_something_is_wrong_nothing_is_changed(clone, given, tree, message):
    write(clone / given, tree) if tree else None
    before = {path: path.read_bytes() for path in (Path("params.yaml"), Path(".gitignore"))}
    with pytest.raises(InputError, match=message):
        own_images.main(given)
    assert {path: path.read_bytes() for path in before} == before
    assert not list(clone.glob("[!.]*.dvc"))


def test_the_time_adds_up_what_each_rung_takes(tiny, monkeypatch):
    monkeypatch.setattr(own_time, "_images_per_second", lambda arch, size, threads: 10.0)
    monkeypatch.setattr(own_time.psutil, "cpu_count", lambda: 2)
    one, two, at_once = (own_time.minutes(tiny, images, 0, jobs) for images, jobs in ((600, 1), (1200, 1), (1200, 2)))
    epochs = sum(tiny.recipe(rung.recipe).epochs for rung in tiny.ladder.rungs.values()) + tiny.student.epochs / 3
    assert two - one == pytest.approx(epochs * 600 / 10 / 60, abs=1)
    assert two - at_once == pytest.approx(epochs * 600 / 10 / 60, abs=1)
    assert own_time.minutes(tiny, 1200, 0, 8) == at_once


def test_presets_of_own_images_hold_no_twins():
    """Two rungs are the same run only if their params are the same."""
    from ladder import presets
    from ladder.params_file import load_yaml

    values = presets.merge(load_yaml(ROOT / "params.yaml"), load_yaml(ROOT / "presets/own_images.yaml"))
    p = params.validate(values, ROOT / "params.yaml")
    rungs = [p.rung(name).model_dump_json() for name in p.ladder.rungs]
    assert len(set(rungs)) == len(rungs)
    offline = {"resnet18", "tf_efficientnet_lite0"}
    assert all(p.recipe(group).arch in offline for group in p.ladder.recipes if p.recipe(group).weights == "imagenet")


@pytest.mark.parametrize("name", ["my photos", 'it\'s "mine" `now`', "写真"])
def test_make_passes_the_folder_on(tmp_path, name):
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    command = ["make", "--silent", "--assume-old", "clone-checked", "--assume-old", "setup", "images", f"DIR={name}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"-m|ladder.own_images|{name}|", "")
