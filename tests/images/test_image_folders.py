"""One's own images in any container; bad layouts and images end in an InputError."""

import hashlib
import tarfile

import numpy as np
import pytest

from ladder.core.errors import InputError
from ladder.images import sources
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


@pytest.mark.parametrize(
    ("tree", "val_size", "message"),
    [
        (TREE, None, "val_size is null, but .* no images under val/"),
        (TREE | VAL, 1, "val_size is 1, but .* its own val/"),
    ],
)
def test_val_size_goes_with_the_folder(tmp_path, tree, val_size, message):
    write(tmp_path / "photos", tree)
    with pytest.raises(InputError, match=message):
        sources.read(own(tmp_path / "photos", val_size=val_size))


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
        pytest.param({"a.txt": b""}, "no images under train/: expected train/<class>/<image>", id="no-images"),
        pytest.param(without("train/"), "no images under train/", id="no-train"),
        pytest.param(without("test/"), "no images under test/", id="no-test"),
        pytest.param(TREE | {"train/a.png": b""}, "train/a.png does not lie as train/<class>/", id="in-no-class"),
        pytest.param(TREE | {"train/cat/b/a.png": b""}, "train/cat/b.* does not lie as train/<class>/", id="too-deep"),
        pytest.param(without("test/dog"), "train/ and test/ .* differ in dog", id="class-not-in-test"),
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
