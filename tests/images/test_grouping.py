"""Which of one's own images stay together: near-duplicates, and what a pattern over file names finds."""

import io

import numpy as np
import pytest
from PIL import Image
from test_near_duplicates import ORIGINALS as PLACES

from ladder.core.errors import InputError
from ladder.images import grouping, sources
from ladder.images.split import split
from trees import own, write


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


ORIGINALS = PLACES[:8]

# Eight places: each as it is, and a copy of another size in the other class.
PHOTOS = {f"cat/place{number}_a.png": png(image) for number, image in enumerate(ORIGINALS)}
PHOTOS |= {f"dog/place{number}_b.png": png(image.resize((100, 100))) for number, image in enumerate(ORIGINALS)}


def test_near_duplicates_are_drawn_to_one_side(tmp_path):
    data = own(write(tmp_path / "photos", PHOTOS), image_size=64, val_size=4, test_size=4)
    source = sources.read(data)
    group = grouping.groups(source, data)
    assert group[:8].tolist() == group[8:].tolist()
    drawn = split(source, data, group)
    for part in (drawn.train, drawn.val, drawn.test):
        places = {source.files[index].split("/")[1][:6] for index in part.ids}
        assert len(part) == 2 * len(places), "an image and its copy are in one part"
    kept = "16 images stay together in 8 groups, 2 in the largest (cat/place0_a.png, dog/place0_b.png)"
    assert grouping.described(source, group) == [f"near-duplicates and data.groups: {kept}"]


def test_parts_of_the_folder_that_share_near_duplicates_are_named(tmp_path):
    tree = {f"train/{name}": content for name, content in PHOTOS.items()}
    moved = {
        name.replace("train", "test"): tree.pop(name) for name in ("train/cat/place3_a.png", "train/dog/place5_b.png")
    }
    data = own(write(tmp_path / "photos", tree | moved), image_size=64)
    source = sources.read(data)
    _, said = grouping.described(source, grouping.groups(source, data))
    assert said.startswith("2 test images of the folder belong together with training images (test/cat/place3_a.png, ")


FILES = ("cat/p1_001.jpg", "cat/p2_001.jpg", "dog/p1_002.jpg", "p1/x.jpg", "dog/y.jpg")


def test_a_pattern_finds_groups_in_file_names_across_classes():
    numbers = grouping.named(FILES, r"^p\d+").tolist()
    assert numbers == [0, 1, 0, 2, 3], "x.jpg lies in p1/, but its name does not match"


def test_a_pattern_that_finds_nothing_is_refused():
    with pytest.raises(InputError, match=r"^data.groups='\^video' is found in no file's name, such as 'p1_001.jpg'"):
        grouping.named(FILES, "^video")


def test_what_either_puts_together_is_one_group():
    joined = grouping._joined(np.array([0, 0, 2, 3, 4]), np.array([0, 1, 1, 2, 3]))
    assert [(joined == number).nonzero()[0].tolist() for number in dict.fromkeys(joined.tolist())] == [
        [0, 1, 2],
        [3],
        [4],
    ]


def test_pattern_and_near_duplicates_together(tmp_path):
    renamed = {name.replace("place", f"video{int(name[9]) // 2}_"): content for name, content in PHOTOS.items()}
    data = own(write(tmp_path / "photos", renamed), image_size=64, val_size=4, test_size=4, groups=r"^video\d")
    source = sources.read(data)
    group = grouping.groups(source, data)
    assert len(set(group.tolist())) == 4
    drawn = split(source, data, group)
    assert [len(part) for part in (drawn.train, drawn.val, drawn.test)] == [8, 4, 4]
