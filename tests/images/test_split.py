"""Stratified, seeded, in the order of ids; statistics from exact sums over what is trained on."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ladder.core.errors import InputError
from ladder.core.types import Part, Source
from ladder.images import canonical, published, sources
from ladder.images.split import split, statistics
from ladder.params import Data


def data(**changes) -> Data:
    values = {
        "source": "image_folder",
        "path": "images",
        "image_size": 8,
        "fit": "squash",
        "split_seed": 0,
        "val_size": 4,
        "test_size": None,
        "groups": None,
        "pictures": "plots",
    }
    return Data(**values | changes)


def part(counts: list[int], first_id: int) -> Part:
    """Images of one pixel, counts[c] of class c in mixed order."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    pixels = (np.arange(len(labels) * 3) % 251).astype(np.uint8).reshape(-1, 3, 1, 1)
    return Part(pixels, labels, first_id + np.arange(len(labels)))


def source(counts: list[int], val: Part | None = None, test: Part | None = None) -> Source:
    classes = tuple(f"class{number}" for number in range(len(counts)))
    return Source("image_folder", "digest", classes, part(counts, 0), val, test)


def assert_same(one: Part, other: Part) -> None:
    for field in ("images", "labels", "ids"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_cifar10_is_split_4000_1000_1000_a_class_and_its_test_part_stays_as_it_is():
    whole = source([5000] * 10, test=part([1000] * 10, 50_000))
    drawn = split(whole, data(val_size=10_000))
    assert np.bincount(drawn.train.labels).tolist() == [4000] * 10
    assert np.bincount(drawn.val.labels).tolist() == [1000] * 10
    assert drawn.test is whole.test

    assert sorted([*drawn.train.ids, *drawn.val.ids]) == list(range(50_000))
    for side in (drawn.train, drawn.val):
        assert (np.diff(side.ids) > 0).all()
        assert_same(side, whole.train.take(side.ids))  # ids are positions here: images and labels went along
    assert (drawn.classes, drawn.source, drawn.digest) == (whole.classes, whole.name, whole.digest)


def test_unequal_classes_keep_their_shares():
    drawn = split(source([60, 30, 10], test=part([1, 1, 1], 100)), data(val_size=20))
    assert np.bincount(drawn.val.labels).tolist() == [12, 6, 2]
    assert np.bincount(drawn.train.labels).tolist() == [48, 24, 8]


def test_the_seed_and_nothing_else_decides():
    whole = source([50, 50], test=part([1, 1], 100))
    ids = [split(whole, data(val_size=20, split_seed=seed)).val.ids.tolist() for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_own_parts_are_passed_on():
    whole = source([3, 3], val=part([1, 1], 6), test=part([2, 2], 8))
    drawn = split(whole, data(val_size=None))
    assert (drawn.train, drawn.val, drawn.test) == (whole.train, whole.val, whole.test)


def test_where_there_is_one_part_test_is_drawn_first(tmp_path, monkeypatch):
    params = data(source="digits", path="data/raw/digits", val_size=300, test_size=297)
    monkeypatch.chdir(tmp_path)
    canonical.write(Path(params.path), published.read("digits", tmp_path))
    whole = sources.read(params)
    drawn, other = split(whole, params), split(whole, params.model_copy(update={"val_size": 200}))
    assert [len(drawn.train), len(drawn.val), len(drawn.test)] == [1200, 300, 297]
    assert sorted([*drawn.train.ids, *drawn.val.ids, *drawn.test.ids]) == list(range(1797))
    assert_same(drawn.test, other.test)  # another val_size does not touch it
    assert np.bincount(drawn.test.labels).min() >= 28  # 174 of the rarest digit, of 1797: 28.8


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        pytest.param([3, 3], 7, id="larger-than-the-data"),
        pytest.param([3, 3], 6, id="nothing-left"),
        pytest.param([3, 3], 5, id="one-image-left-for-two-classes"),
        pytest.param([3, 3], 1, id="one-image-drawn-of-two-classes"),
        pytest.param([5, 1], 3, id="a-class-of-one-image"),
        pytest.param([96, 4], 5, id="too-small-a-share-of-the-rare-class"),
    ],
)
@pytest.mark.parametrize("key", ["val_size", "test_size"])
def test_a_part_without_some_class_is_refused(counts, size, key):
    if key == "val_size":
        whole, params = source(counts, test=part([1, 1], 100)), data(val_size=size)
    else:
        whole, params = source(counts), data(source="digits", path="data/raw/digits", test_size=size, val_size=2)
    rare = f"class1, has {counts[1]}" if counts[1] < counts[0] else "class0, has 3"
    least = -(-sum(counts) // counts[1])
    could = (
        f"any number from {least} to {sum(counts) - least} could be drawn" if counts[1] > 1 else "add images of class1"
    )
    with pytest.raises(InputError, match=f"^data.{key}={size} .* {sum(counts)} images of 2 classes .*{rare}.*{could}$"):
        split(whole, params)


@pytest.mark.parametrize("size", [4, 20])
def test_the_sizes_that_a_message_names_can_be_drawn(size):
    assert len(split(source([18, 6], test=part([1, 1], 100)), data(val_size=size)).val) == size
    with pytest.raises(InputError, match="any number from 4 to 20 could be drawn"):
        split(source([18, 6], test=part([1, 1], 100)), data(val_size=1))


def test_a_share_is_of_the_training_part_as_it_comes():
    drawn = split(source([60, 40]), data(test_size=0.2, val_size=0.2))
    assert [len(drawn.train), len(drawn.val), len(drawn.test)] == [60, 20, 20]
    in_numbers = split(source([60, 40]), data(test_size=20, val_size=20))
    assert_same(drawn.val, in_numbers.val)
    assert_same(drawn.test, in_numbers.test)


def test_a_share_that_cannot_be_drawn_says_how_many_images_it_is():
    with pytest.raises(InputError, match=r"^data.val_size=0.01, 1 images, cannot be drawn from 100 images"):
        split(source([50, 50], test=part([1, 1], 100)), data(val_size=0.01))


GROUPED = np.array([*np.repeat(np.arange(40), 5), *np.arange(40, 100)])  # forty of five images each, sixty single ones


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("val", "test"), [(40, 40), (0.1, 0.25), (100, 0.1)])
def test_groups_stay_on_one_side_and_sizes_and_shares_are_nearly_met(seed, val, test):
    whole = source([130, 130])
    drawn = split(whole, data(val_size=val, test_size=test, split_seed=seed), GROUPED)
    parts = (drawn.train, drawn.val, drawn.test)
    assert sorted(np.concatenate([side.ids for side in parts])) == list(range(260))
    groups = [set(GROUPED[side.ids].tolist()) for side in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    for side, size in ((drawn.val, val), (drawn.test, test)):
        number = size * 260 if size < 1 else size
        assert abs(len(side) - number) <= 0.2 * number
        assert abs((side.labels == 0).mean() - 0.5) <= 0.15
        assert_same(side, whole.train.take(side.ids))


def test_groups_of_single_images_change_nothing():
    whole = source([50, 50], test=part([1, 1], 100))
    assert_same(split(whole, data(val_size=20), np.arange(102)).val, split(whole, data(val_size=20)).val)


def test_groups_that_are_too_large_are_named():
    one_group = np.array([0] * 50 + list(range(1, 51)))
    whole = Source("image_folder", "digest", ("cat", "dog"), Part(*sorted_part(50, 50)), None, part([1, 1], 100))
    with pytest.raises(InputError, match=r"no number could with groups kept together: cat has 1 group of images"):
        split(whole, data(val_size=20), np.concatenate([one_group, [90, 91]]))


def test_groups_that_allow_other_sizes_say_which():
    pairs = np.array([*np.repeat(np.arange(4), 25), *np.repeat(np.arange(4, 8), 25), 90, 91])  # four groups per class
    whole = Source("image_folder", "digest", ("cat", "dog"), Part(*sorted_part(100, 100)), None, part([1, 1], 200))
    with pytest.raises(InputError, match=r"with groups kept together these could be drawn: .*100") as error:
        split(whole, data(val_size=3), pairs)
    sizes = [int(size) for size in str(error.value).rpartition(": ")[2].split(", ")]
    assert all(len(split(whole, data(val_size=size), pairs).val) >= 50 for size in sizes)


def sorted_part(*counts: int):
    mixed = part(list(counts), 0)
    return mixed.images, np.sort(mixed.labels), mixed.ids


def test_statistics_by_hand():
    # red 0 and 255: mean 1/2, std 1/2. green 51 twice: 1/5, no spread. blue 0, 0, 0, 102: mean 1/10, std sqrt(3)/10.
    images = np.array([[[[0, 255]], [[51, 51]], [[0, 0]]], [[[0, 255]], [[51, 51]], [[0, 102]]]], np.uint8)
    mean, std = statistics(images)
    assert mean == (0.5, 0.2, 0.1)
    assert std == (0.5, 0.0, pytest.approx(0.1 * 3**0.5, rel=1e-15))


def test_statistics_are_exact_in_any_order():
    images = np.random.default_rng(1).integers(0, 256, (2500, 3, 2, 2), np.uint8)  # more than is counted at once
    mean, std = statistics(images)
    assert statistics(images[::-1]) == (mean, std)
    for channel in range(3):
        values = [Fraction(level, 255) for level in images[:, channel].ravel().tolist()]
        exact = sum(values) / len(values)
        assert mean[channel] == float(exact)
        assert std[channel] == pytest.approx(
            float(sum((v - exact) ** 2 for v in values) / len(values)) ** 0.5, rel=1e-15
        )


def test_statistics_are_of_the_training_part_alone():
    drawn = split(source([50, 50], test=part([1, 1], 100)), data(val_size=20))
    assert (drawn.mean, drawn.std) == statistics(drawn.train.images)
