"""Images as tracked inputs, in temporary Git and DVC repositories: one's own, published ones, and back and forth."""

import re
import shutil
from pathlib import Path

import pytest

import pipeline
from pipeline import Pipeline, ran
from trees import below, pixel, write

IMAGES = {
    f"{part}/{name}/{number}.png": pixel(20 * number + 10 * (name == "cat") + (part == "test"))
    for part, count in (("train", 4), ("test", 1))
    for name in ("cat", "dog")
    for number in range(count)
}
DIGITS = [
    f"--set-param=data.{key}"
    for key in ("source=digits", "path=data/raw/digits", "image_size=32", "val_size=500", "test_size=1000")
]


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1, f"{path} has {count} of {pattern}"
    path.write_text(text)


def apply(made: Pipeline, preset: str) -> None:
    made.run("env", "PYTHONPATH=src", "python", "-m", "ladder.presets", "apply", preset)


# One's own


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Pipeline:
    """Eight images to train and two to test, tracked; the split of them, committed."""
    made = pipeline.create(tmp_path_factory.mktemp("own"))
    write(made.folder / "my_images", IMAGES)
    edit(made.folder / "presets/own_images.yaml", r"val_size: [\d.]+", "val_size: 2")
    edit(made.folder / "presets/own_images.yaml", r"test_size: [\d.]+", "test_size: null")
    apply(made, "own_images")
    made.run("dvc", "add", "my_images")
    assert ran(made.run("dvc", "repro", "split")) == {"images", "split"}
    made.commit("my images")
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "how"),
    [
        pytest.param("test/dog/0.png", pixel(250), "modified", id="changed"),
        pytest.param("train/cat/9.png", pixel(251), "added", id="added"),
        pytest.param("train/dog/3.png", None, "deleted", id="removed"),
    ],
)
def test_one_image_makes_the_split_anew_and_put_back_it_restores_all(own, name, content, how):
    file, before = own.folder / "my_images" / name, own.lock()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert re.search(r"split:\n\s+changed deps:\n\s+modified:\s+my_images\n", own.run("dvc", "status", "split"))
    assert re.search(rf"{how}: +my_images/{name}\n", own.run("dvc", "data", "status", "--granular"))
    assert ran(own.run("dvc", "repro", "split")) == {"split"}
    assert own.lock()["split"]["outs"] != before["split"]["outs"]

    file.unlink(missing_ok=True)
    if name in IMAGES:
        file.write_bytes(IMAGES[name])
    assert not ran(own.run("dvc", "repro", "split"))
    assert own.lock() == before
    assert own.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_temporary_and_queued_experiments_find_them(own):
    temporary = own.run("dvc", "exp", "run", "--temp", "--name", "temporary", "-S", "data.split_seed=1", "split")
    own.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "data.split_seed=2", "split")
    queued = own.run("dvc", "exp", "run", "--run-all")
    for output in (temporary, queued):
        assert ran(output) == {"split"}
        assert "image_folder, 2 classes: 6 / 2 / 2 images" in output
    assert set(own.run("dvc", "exp", "list", "--name-only").split()) >= {"temporary", "queued"}


@pytest.mark.slow
def test_another_source_and_back(own):
    before = own.lock()
    assert ran(own.run("dvc", "exp", "run", "--name", "digits", *DIGITS, "split")) == {"images", "split"}
    assert own.lock()["images"]["outs"][0]["path"] == "data/raw/digits"
    own.run("git", "checkout", "--quiet", ".")
    assert not ran(own.run("dvc", "repro", "split"))
    assert own.lock() == before
    assert not ran(own.run("dvc", "exp", "run", "--name", "again", *DIGITS, "split"))
    own.run("git", "checkout", "--quiet", ".")
    own.run("dvc", "repro", "split")


@pytest.mark.slow
def test_a_source_without_its_path_is_one_message(own):
    output = own.run("dvc", "exp", "run", "-S", "data.source=digits", "split", check=False)
    own.run("git", "checkout", "--quiet", ".")
    assert "source digits is read from what the stage `images` makes: path must be data/raw/digits" in output


@pytest.mark.slow
def test_images_that_are_gone_are_called_that_and_come_back(own):
    shutil.rmtree(own.folder / "my_images")
    message = own.run("env", "PYTHONPATH=src", "python", "tools/check_images.py", check=False)
    assert "my_images is missing, but my_images.dvc records what it held: `dvc checkout my_images.dvc`" in message
    own.run("dvc", "checkout", "my_images.dvc")
    assert not ran(own.run("dvc", "repro", "split"))


@pytest.mark.slow
def test_a_clone_without_images_knows_that_nothing_is_stale(own, tmp_path):
    own.run("git", "clone", "--quiet", f"file://{own.folder}", str(tmp_path / "clone"))
    output = Pipeline(tmp_path / "clone").run("dvc", "repro", "--dry", "--allow-missing", "split")
    assert not ran(output)
    assert "up to date" in output


# Published ones: a tiny archive, whose digest the repository's code then expects


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Pipeline:
    made = pipeline.create(tmp_path_factory.mktemp("published"))
    apply(made, "cpu")
    edit(made.folder / "params.yaml", r"val_size: \d+", "val_size: 2")
    write(made.folder / "data/archives/cifar10-jpeg.tar.gz", below(IMAGES, "CIFAR-10-images"))
    refused = made.run("dvc", "repro", "split", check=False)
    found = re.search(r"cifar10-jpeg.tar.gz has sha256 of files (\w+), expected sha256 of files \w+", refused)
    assert found, refused
    edit(made.folder / "src/ladder/images/published.py", r"sha256 of files \w{64}", f"sha256 of files {found[1]}")
    assert ran(made.run("dvc", "repro", "split")) == {"images", "split"}
    made.commit("published images")
    return made


@pytest.mark.slow
def test_the_same_images_in_another_archive_give_the_same_lock(published):
    archives, before = published.folder / "data/archives", published.lock()
    shutil.rmtree(archives)
    write(archives / "CIFAR-10-images-master.zip", dict(reversed(IMAGES.items())))
    assert ran(published.run("dvc", "repro", "--force", "split")) == {"images", "split"}
    assert published.lock() == before
    assert [path.name for path in (published.folder / "data/raw").iterdir()] == ["cifar10_jpeg"]


@pytest.mark.slow
def test_a_temporary_experiment_finds_the_archive_of_the_original_repository(published):
    output = published.run("dvc", "exp", "run", "--temp", "--force", "--name", "temporary", "split")
    assert ran(output) == {"images", "split"}
    assert f"images: cifar10_jpeg: {len(IMAGES)} files, verified" in output


@pytest.mark.slow
def test_what_is_not_the_published_archive_is_not_kept(published):
    archives = published.folder / "data/archives"
    before = published.lock()
    for path in archives.iterdir():
        path.replace(published.folder / path.name)
    for name, content, message in (
        ("data/archives/cifar10-jpeg.zip", IMAGES | {"train/cat/9.png": b""}, "it is not the published file"),
        ("data/raw/cifar10-jpeg.zip", IMAGES, "lies where archives were looked for before: move it into"),
    ):
        write(published.folder / name, content)
        output = published.run("dvc", "repro", "--force", "images", check=False)
        assert output.count(message) == 1
        assert not (published.folder / "data/raw/cifar10_jpeg").exists()
        assert published.lock() == before
        (published.folder / name).unlink()
    assert not ran(published.run("dvc", "repro", "split")), "what was kept before needs no archive"
