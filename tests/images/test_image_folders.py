"""One's own images in any container; bad layouts and images end in an InputError."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import types

import numpy as np
import psutil
import pytest
from PIL import Image

from ladder.core.errors import InputError
from ladder.images import decode, sources
from trees import TREE, VAL, below, levels, own, pixel, write


@pytest.mark.parametrize("top", [None, "my images"])
@pytest.mark.parametrize("name", ["photos", "photos.zip", "p.tar", "p.tar.gz", "p.tgz", "p.tar.xz", "P.ZIP"])
def test_image_folder_in_any_container(tmp_path, name, top):
    write(tmp_path / name.lower(), below(TREE, top) if top else TREE).rename(tmp_path / name)
    source = sources.read(own(tmp_path / name, image_size=8))
    assert (source.name, source.classes, source.val) == ("image_folder", ("cat", "dog"), None)
    assert source.train.images.shape == (3, 3, 8, 8)
    assert [levels(part) for part in (source.train, source.test)] == [[1, 2, 3], [4, 5]]
    assert [part.labels.tolist() for part in (source.train, source.test)] == [[0, 1, 1], [0, 1]]
    assert [part.ids.tolist() for part in (source.train, source.test)] == [[0, 1, 2], [3, 4]]
    assert source.train.labels.dtype == source.train.ids.dtype == np.int64

    lines = "".join(f"{hashlib.sha256(TREE[file]).hexdigest()}  {file}\n" for file in sorted(TREE))
    assert source.digest == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", ["photos", "photos.zip"])  # with and without entries for folders
def test_classes_are_ordered_by_name_in_any_container(tmp_path, name):
    write(tmp_path / name, {file.replace("dog", "cat 2"): content for file, content in TREE.items()})
    source = sources.read(own(tmp_path / name))
    assert source.classes == ("cat", "cat 2")
    assert levels(source.train) == [1, 2, 3]


def test_image_folder_with_its_own_val(tmp_path):
    write(tmp_path / "photos", TREE | VAL)
    source = sources.read(own(tmp_path / "photos", val_size=None))
    assert [levels(part) for part in (source.train, source.val, source.test)] == [[1, 2, 3], [6, 7], [4, 5]]
    assert source.val.ids.tolist() == [3, 4]


CLASSES = {name.split("/", 1)[1]: content for name, content in TREE.items() if name.startswith("train")}


@pytest.mark.parametrize("top", [None, "my images"])
@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar.gz"])
def test_folders_of_classes_alone(tmp_path, name, top):
    write(tmp_path / name, below(CLASSES, top) if top else CLASSES)
    source = sources.read(own(tmp_path / name, test_size=1))
    assert (source.classes, source.val, source.test) == (("cat", "dog"), None, None)
    assert levels(source.train) == [1, 2, 3]
    assert source.train.labels.tolist() == [0, 1, 1]
    prefix = f"{top}/" if top else ""
    assert source.files == tuple(f"{prefix}{file}" for file in ("cat/7.png", "dog/0.png", "dog/1.png"))
    lines = "".join(f"{hashlib.sha256(CLASSES[file]).hexdigest()}  {file}\n" for file in sorted(CLASSES))
    assert source.digest == hashlib.sha256(lines.encode()).hexdigest()


def test_a_class_may_have_the_name_of_a_part(tmp_path):
    """Pictures of trains and of cars are two classes, not a part and something beside it."""
    trains = {name.replace("dog", "train"): content for name, content in CLASSES.items()}
    assert sources.read(own(write(tmp_path / "photos", trains), test_size=1)).classes == ("cat", "train")


@pytest.mark.parametrize("spelled", ["val", "valid", "validation", "Validation"])
def test_validation_folders_go_by_several_names(tmp_path, spelled):
    tree = {name.replace("val/", f"{spelled}/"): content for name, content in (TREE | VAL).items()}
    source = sources.read(own(write(tmp_path / "photos", tree), val_size=None))
    assert [levels(part) for part in (source.train, source.val, source.test)] == [[1, 2, 3], [6, 7], [4, 5]]
    assert source.files[3:5] == (f"{spelled}/cat/0.png", f"{spelled}/dog/0.png")


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (TREE | {"holdout/cat/1.png": b"never read", "holdout/dog/1.png": b""}, "not used: holdout/ (2 files)"),
        (
            CLASSES | {"1.jpg": b"never read", "labels.csv": b""},
            "not used: 1 images beside the folders of classes (1.jpg",
        ),
    ],
)
def test_what_is_found_and_not_used_is_named(tmp_path, capsys, tree, said):
    has_test = any(name.startswith("test") for name in tree)
    sources.read(own(write(tmp_path / "photos", tree), test_size=None if has_test else 1))
    assert said in capsys.readouterr().err


def test_nothing_is_said_where_all_is_used(tmp_path, capsys):
    sources.read(own(write(tmp_path / "photos", TREE | {"README.md": b""})))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("tree", "sizes", "message"),
    [
        (TREE, {"val_size": None}, "val_size is null, but .* no images under val/"),
        (TREE | VAL, {}, "val_size is 1, but .* its own val/"),
        (TREE, {"test_size": 1}, "test_size is 1, but .* its own test/"),
        (
            {name: TREE[name] for name in TREE if name[:5] == "train"},
            {},
            "test_size is null, but .* no images under test/: .* number or share of images to draw",
        ),
    ],
)
def test_sizes_go_with_the_folder(tmp_path, tree, sizes, message):
    write(tmp_path / "photos", tree)
    with pytest.raises(InputError, match=message):
        sources.read(own(tmp_path / "photos", **sizes))


@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar"])
def test_what_systems_strew_about_is_ignored(tmp_path, name):
    junk = (
        "train/cat/.DS_Store",
        "train/cat/Thumbs.db",
        "train/.ipynb_checkpoints/a.png",
        "__MACOSX/train/cat/._7.png",
        ".git/train/cat/a.png",
        "README.md",
    )
    write(tmp_path / name, TREE | dict.fromkeys(junk, b"junk"))
    clean = write(tmp_path / "clean", TREE)
    read = [sources.read(own(tmp_path / path)) for path in (name, clean.name)]
    assert read[0].digest == read[1].digest
    assert levels(read[0].train) == [1, 2, 3]


def test_links_in_the_users_own_folder_are_followed(tmp_path):
    tree = write(tmp_path / "elsewhere", TREE)
    (tmp_path / "photos/test").mkdir(parents=True)
    (tmp_path / "photos/train").symlink_to(tree / "train")
    for name in ("cat", "dog"):
        (tmp_path / "photos/test" / name).symlink_to(tree / "test" / name)
    assert levels(sources.read(own(tmp_path / "photos")).test) == [4, 5]


def without(prefix: str) -> dict[str, bytes]:
    return {name: content for name, content in TREE.items() if not name.startswith(prefix)}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        pytest.param(
            {"a.txt": b""}, "no folders of images: expected <class>/<image>, or train/<class>/<image>", id="no-images"
        ),
        pytest.param(without("train/"), "no images under train/", id="no-train"),
        pytest.param(TREE | {"train/a.png": b""}, "train/a.png does not lie as train/<class>/", id="in-no-class"),
        pytest.param(TREE | {"train/cat/b/a.png": b""}, "train/cat/b.* does not lie as train/<class>/", id="too-deep"),
        pytest.param(without("test/dog"), "train/ and test/ .* differ in dog", id="class-not-in-test"),
        pytest.param(
            {"train/1.png": b"", "test/1.png": b""}, "test/, train/ hold images, and no folders", id="flat-parts"
        ),
        pytest.param(TREE | {"valid/cat/0.png": b"", "val/cat/1.png": b""}, "has both val/ and valid/", id="two-vals"),
        pytest.param(
            {"cat/1.png": b"", "dog/a/1.png": b""}, "dog/a does not lie as <class>/<image>", id="class-too-deep"
        ),
        pytest.param({"cat/1.png": b""}, "the one class cat: at least two", id="one-class-folder"),
        pytest.param(
            TREE | {"val/bird/0.png": b""}, "train/ and val/ .* differ in bird, cat, dog", id="class-only-in-val"
        ),
        pytest.param({"train/a/0.png": b"", "test/a/0.png": b""}, "the one class a: at least two", id="one-class"),
        pytest.param(TREE | below(TREE, "old"), "in old and in the top: keep one set", id="two-sets"),
        pytest.param(
            TREE | {"test/dog/1.png": b"text"}, "test/dog/1.png is damaged or in no image format", id="no-image"
        ),
        pytest.param(TREE | {"test/dog/1.png": pixel(1)[:-30]}, "test/dog/1.png is damaged", id="truncated-image"),
    ],
)
@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_bad_layouts_and_images(tmp_path, tree, message, name):
    path = write(tmp_path / name, tree)
    with pytest.raises(InputError, match=f"(?s)^{path}.*{message}"):
        sources.read(own(tmp_path / name))


ODD = {
    "flat parts": {"train/1.png": b"", "val/1.png": b"", "test/1.png": b""},
    "no text": {f"{letter}\udce9/1.png": b"" for letter in "abcd"},
    "loose": {f"train/{letter}/x/1.png": b"" for letter in "abcd"},
}


@pytest.mark.parametrize("tree", ODD.values(), ids=ODD)
def test_messages_are_the_same_however_python_orders_sets(tmp_path, tree):
    write(tmp_path / "photos", tree)
    code = "import sys, pathlib; from ladder.images import folders; folders.find(pathlib.Path(sys.argv[1]))"
    said = set()
    for seed in "0123":
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "photos")], env=environment, capture_output=True, check=False
        )
        said.add(done.stderr.partition(b"InputError: ")[2])
    assert len(said) == 1
    assert said.pop()


def test_empty_class_folders(tmp_path):
    path = write(tmp_path / "photos", TREE)
    (path / "test/dog/0.png").unlink()
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(path, "photos")
    for name in ("photos", "photos.tar"):
        with pytest.raises(InputError, match="no images in test/dog/"):
            sources.read(own(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "is missing"), ("notes.txt", "is neither a folder nor an archive")]
)
def test_bad_paths(tmp_path, name, message):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=f"^{tmp_path / name} {message}.*data.path"):
        sources.read(own(tmp_path / name))


def refused(path, **changes) -> str:
    with pytest.raises(InputError) as caught:
        sources.read(own(path, **changes))
    return str(caught.value)


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_all_unreadable_images_are_listed_at_once(tmp_path, name):
    bad = {f"train/cat/bad{number}.png": content for number, content in enumerate((b"", b"text", pixel(1)[:-30]))}
    first, *lines = refused(write(tmp_path / name, TREE | bad)).splitlines()
    assert first == f"{tmp_path / name}: 3 of 8 images cannot be read:"
    assert [line.split()[0] for line in lines] == list(bad)


def test_of_many_unreadable_images_twenty_are_named(tmp_path):
    bad = {f"train/cat/{number:03}.pth": b"PK\3\4" for number in range(100)}
    lines = refused(write(tmp_path / "photos", TREE | bad)).splitlines()
    assert lines[0].endswith("100 of 105 images cannot be read:")
    assert lines[
        1
    ] == "  train/cat/000.pth is an archive (zip), or an office document: save it as PNG or JPEG if it is" + (
        " an image, or remove it"
    )
    assert (len(lines), lines[-1]) == (22, "  and 80 more")


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])  # some file systems compose names themselves
def test_spellings_of_one_class_are_one_class(tmp_path, name):
    """As where a part was packed on macOS and another on Linux."""
    tree = {file.replace("cat", COMPOSED if file[:4] == "test" else DECOMPOSED): TREE[file] for file in TREE}
    source = sources.read(own(write(tmp_path / name, tree)))
    assert source.classes == (COMPOSED, "dog")
    assert [levels(part) for part in (source.train, source.test)] == [[1, 2, 3], [4, 5]]
    assert source.train.labels.tolist() == [0, 1, 1]


def test_two_folders_that_read_alike_are_refused(tmp_path):
    tree = {file.replace("cat", COMPOSED): content for file, content in TREE.items()}
    message = refused(write(tmp_path / "p.zip", tree | {f"train/{DECOMPOSED}/1.png": pixel(9)}))
    assert "train/ has two folders that both read café, spelled 'cafe\\u0301' and 'caf\\xe9'" in message


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
@pytest.mark.parametrize("name", [b"train/cat/\xe9.png", b"train/\xe9/1.png", b"test/cat/\xff\xfe"])
def test_names_that_are_no_text_are_refused_before_anything_is_decoded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(decode, "decode", None)
    message = refused(write(tmp_path / "photos", TREE | {os.fsdecode(name): pixel(1)}))
    shown = ascii(os.fsdecode(name.removesuffix(b"/1.png")))[1:-1]
    assert f"photos: {shown} is no UTF-8" in message
    assert message.isprintable()
    assert message.endswith("is no UTF-8 (Latin-1?): rename it")


def test_more_pixels_than_memory_are_refused_before_anything_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "decode", None)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=2**27))
    assert refused(write(tmp_path / "photos", TREE), image_size=4096).endswith(
        "5 images of data.image_size 4096 are 0.2 GiB of pixels, and 0.1 GiB of memory are free: set data.image_size"
        " below 2991, or take fewer images"
    )


def test_sixteen_bits_that_hold_twelve_are_said_with_their_number(tmp_path, capsys):
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), 4000, np.uint16)).save(stream, "PNG")
    dark = {f"train/cat/{number}.png": stream.getvalue() for number in (1, 2)}
    sources.read(own(write(tmp_path / "photos", TREE | dark)))
    assert f"photos: 2 {decode.DARK} (train/cat/1.png, ...)" in capsys.readouterr().err
