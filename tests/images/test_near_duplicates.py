"""Which images count as near-duplicates: crops of scikit-learn's two photographs, and copies of them."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from ladder.images import near_duplicates

PHOTOS = [Image.fromarray(photo) for photo in load_sample_images().images]
# Left and top of squares of 120 px that do not overlap, on what is no plain sky.
PLACES = [(photo, x, y) for photo, top in ((0, 160), (1, 0)) for x in (0, 130, 260, 390) for y in (top, top + 130)]


def crop(photo: int, x: int, y: int, side: int = 120) -> Image.Image:
    return PHOTOS[photo].crop((x, y, x + side, y + side))


def jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    return Image.open(io.BytesIO(stream.getvalue()))


def pixels(images: list[Image.Image], size: int = 96) -> np.ndarray:
    return np.stack([np.asarray(image.convert("RGB").resize((size, size))) for image in images])


ORIGINALS = [crop(*place) for place in PLACES]
COPIES = {
    "poor-jpeg": [jpeg(image) for image in ORIGINALS],
    "halved": [image.resize((60, 60)) for image in ORIGINALS],
    "margin": [crop(photo, x + 2, y + 2, 116) for photo, x, y in PLACES],
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_found_and_nothing_else(how):
    found = near_duplicates.groups(pixels(ORIGINALS + COPIES[how]))
    number = len(ORIGINALS)
    assert found[:number].tolist() == list(range(number)), "different places are different groups"
    joined = found[number:] == np.arange(number)
    assert joined.mean() >= 0.9, np.flatnonzero(~joined)


def test_a_hash_is_that_of_the_picture():
    first, copy, other = near_duplicates.hashes(pixels([ORIGINALS[0], COPIES["poor-jpeg"][0], ORIGINALS[1]]))
    assert first.dtype == np.uint64
    assert np.bitwise_count(first ^ copy) <= near_duplicates.BITS < np.bitwise_count(first ^ other)


def test_a_chain_is_one_group_named_by_its_first():
    slid = [crop(1, 100 + 2 * step, 60) for step in range(9)]  # each is near the next, the ends are far apart
    assert near_duplicates.groups(pixels([ORIGINALS[0], *slid[::-1]])).tolist() == [0] + 9 * [1]
    assert near_duplicates.groups(pixels([slid[0], slid[-1]])).tolist() == [0, 1]


def test_images_of_one_color_are_alike_only_if_equal():
    flat = np.zeros((4, 8, 8, 3), np.uint8)
    flat += np.array([10, 11, 10, 200], np.uint8)[:, None, None, None]
    assert near_duplicates.groups(flat).tolist() == [0, 1, 0, 3]
    red_and_blue = np.zeros((2, 8, 8, 3), np.uint8)
    red_and_blue[0, ..., 0] = red_and_blue[1, ..., 2] = 255
    assert near_duplicates.groups(red_and_blue).tolist() == [0, 1]


@pytest.mark.parametrize("number", [0, 1])
def test_few_images(number):
    assert near_duplicates.groups(pixels(ORIGINALS)[:number]).tolist() == list(range(number))


def test_more_images_than_are_compared_at_once():
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), np.uint8)
    assert near_duplicates.groups(np.concatenate([noise, noise[::-1]])).tolist() == [*range(300), *range(299, -1, -1)]


def test_pairs_say_how_far_they_differ_and_wider_bounds_find_more():
    images = pixels([ORIGINALS[0], COPIES["poor-jpeg"][0], ORIGINALS[1], ORIGINALS[0]])
    [(first, second, difference)] = near_duplicates.pairs(images)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 3)]
    assert difference[1] == 0 < difference[0] == difference[2] <= near_duplicates.SHARE
    [(first, _, difference)] = near_duplicates.pairs(images, bits=64, share=5.0)
    assert len(first) == 6
    assert difference.max() > near_duplicates.SHARE
    [(first, _, _)] = near_duplicates.pairs(images, bits=0, share=0.0)
    assert first.tolist() == [0], "the same pixels"
