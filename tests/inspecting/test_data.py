"""What a split holds: counts, sizes, and images that stand in it again."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from ladder.core.types import Part, Split
from ladder.inspecting import data
from ladder.params import Inspect

PHOTO = Image.fromarray(load_sample_images().images[0])
BOUNDS = Inspect(hash_bits=10, difference=0.5)


def views(number: int) -> np.ndarray:
    """Places of a photograph that do not overlap, uint8 (N, 3, 32, 32)."""
    corners = [(x, y) for y in (160, 290) for x in (0, 130, 260, 390)][:number]
    crops = [PHOTO.crop((x, y, x + 120, y + 120)).resize((32, 32)) for x, y in corners]
    return np.stack([np.asarray(crop).transpose(2, 0, 1) for crop in crops])


def part(images: np.ndarray, labels: list[int], first_id: int) -> Part:
    return Part(images, np.array(labels), np.arange(first_id, first_id + len(labels)))


@pytest.fixture
def twice(split) -> Split:
    """Six different views. View 0 stands in train, val and test; view 1 in train and, brighter, in test, as another
    class; view 2 twice in train."""
    image = views(6)
    brighter = np.clip(image[1].astype(int) + 6, 0, 255).astype(np.uint8)
    return dataclasses.replace(
        split,
        train=part(image[[0, 1, 2, 2, 3]], [0, 1, 2, 2, 0], 10),
        val=part(image[[0, 4]], [0, 1], 0),
        test=part(np.stack([image[5], brighter, image[0]]), [2, 0, 0], 20),
    )


def test_counts_by_class_and_part(twice):
    table = data.counts(twice)
    assert table.to_dict("list") == {
        "class": ["red", "green", "blue"], "train": [2, 1, 2], "val": [1, 1, 0], "test": [2, 0, 1]
    }  # fmt: skip
    assert data.images(twice) == 10


def test_sizes_before_resizing_by_part(twice):
    stored = np.full((23, 2), 640)
    stored[10:15] = [(100, 50), (200, 20), (300, 30), (300, 30), (400, 40)]
    table = data.sizes(twice, stored).set_index("part")
    row = table.loc["train"]
    assert (row["images"], row["sizes"], row["width_min"], row["width_median"], row["width_max"]) == (
        5,
        4,
        100,
        300,
        400,
    )
    assert (row["height_min"], row["height_median"], row["height_max"]) == (20, 30, 50)
    assert row["enlarged"] == 3, "20 and twice 30 pixels are below 32"
    assert table.loc["test", "enlarged"] == 0


def test_what_stands_again_is_counted_within_and_across_parts(twice):
    table = data.overlaps(data.duplicates(twice, BOUNDS)).set_index(["part", "again_in"])
    counted = {pair: (row["exact"], row["near"]) for pair, row in table.iterrows()}
    assert counted == {
        ("train", "train"): (2, 2), ("train", "val"): (1, 1), ("train", "test"): (1, 2),
        ("val", "train"): (1, 1), ("val", "val"): (0, 0), ("val", "test"): (1, 1),
        ("test", "train"): (1, 2), ("test", "val"): (1, 1), ("test", "test"): (0, 0),
    }  # fmt: skip
    assert table.loc[("test", "train"), "near_share"] == pytest.approx(2 / 3)


def test_pairs_name_both_images_the_most_telling_first(twice):
    files = tuple(f"{number}.png" for number in range(23))
    found = data.duplicates(dataclasses.replace(twice, files=files), BOUNDS)
    ids = [tuple(row) for row in found.pairs[["first_id", "second_id"]].to_numpy().tolist()]
    assert ids[0] == (11, 21), "across parts, and of another class"
    assert ids[-1] == (12, 13), "within one part, and of one class"
    assert set(ids[1:-1]) == {(10, 0), (10, 22), (0, 22)}
    first = found.pairs.iloc[0]
    assert (first["first_part"], first["first_file"], first["first_class"]) == ("train", "11.png", "green")
    assert (first["second_part"], first["second_file"], first["second_class"]) == ("test", "21.png", "red")
    assert found.pairs["difference"].tolist()[1:] == [0] * 4


def test_the_headline_counts_test_images_that_training_has_seen(twice):
    found = data.headline(data.duplicates(twice, BOUNDS))
    assert found == {
        "test_exact_in_train": 1 / 3, "test_near_in_train": 2 / 3, "test_near_in_train_or_val": 2 / 3,
        "val_near_in_train": 1 / 2, "train_near_within": 2 / 5, "test_near_within": 0.0,
        "near_with_other_label": 2 / 10,
    }  # fmt: skip


def test_each_test_image_is_shown_once_beside_its_closest_training_image(twice):
    rows, train, test = data.across(data.duplicates(twice, BOUNDS), twice, 24)
    assert rows[["first_id", "second_id"]].to_numpy().tolist() == [[10, 22], [11, 21]]
    assert np.array_equal(train, twice.train.images[[0, 1]])
    assert np.array_equal(test, twice.test.images[[2, 1]])


def test_nothing_is_found_where_nothing_stands_twice(split):
    found = data.duplicates(split, BOUNDS)
    assert not found.exact.any()
    assert not found.near.any()
    assert found.pairs.empty
    rows, train, test = data.across(found, split, 24)
    assert len(rows) == len(train) == len(test) == 0


def test_pairs_of_images_that_are_all_alike_are_listed_up_to_a_bound(twice, monkeypatch):
    monkeypatch.setattr(data, "LISTED", 7)
    alike = np.repeat(views(1), 300, axis=0)
    many = dataclasses.replace(twice, train=part(alike, [0] * 300, 100))
    found = data.duplicates(many, BOUNDS)
    assert len(found.pairs) == 7
    assert found.share("train", "train", exact=True) == 1
