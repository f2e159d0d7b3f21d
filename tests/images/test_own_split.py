"""The stage `split` on folders of classes alone: what it writes, says and leaves out."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladder import presets
from ladder.core.artifacts import splits
from test_stages import main
from trees import write


def noise(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def own(workspace):
    """Twenty photos in two folders of classes, the params of own images."""
    presets.apply("own_images")
    names = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(10)]
    write(workspace / "my_images", {name: noise(seed) for seed, name in enumerate(names)})
    (workspace / "data/raw/image_folder").mkdir(parents=True)
    return names


def test_shares_are_drawn_and_files_are_named(own, capsys):
    main("split")
    made = splits.load("data/split")
    assert [len(part) for part in (made.train, made.val, made.test)] == [14, 3, 3]
    assert made.files == splits.load_files("data/split") == tuple(own)
    assert made.fit == "squash"
    said = capsys.readouterr().out
    assert "image_folder, 2 classes: 14 / 3 / 3 images" in said
    assert "near-duplicates and data.groups: no two images stay together" in said


@pytest.mark.parametrize("how", ["crop", "pad"])
def test_how_images_become_square_goes_with_the_split(own, how):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(re.sub("fit: squash", f"fit: {how}", text))
    main("split")
    assert splits.load("data/split").fit == how
    assert splits.taken(splits.load("data/split")) == {"image_size": 160, "fit": how}


def test_a_split_of_published_images_holds_what_it_held(split, workspace):
    """Neither names nor a word on squashing: its bytes are in every clone's dvc.lock."""
    splits.save("data/split", split)
    assert {path.name for path in Path("data/split").iterdir()} == {"split.json", "test", "train", "val"}
    about = json.loads(Path("data/split/split.json").read_text())
    assert list(about) == ["source", "digest", "classes", "mean", "std", "digests"]
    assert splits.load_files("data/split") == ()
    assert splits.taken(split) == {"image_size": 8}
