"""What the corruptions do to pixels, and how accuracies under them are summed up."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from imports import ROOT
from ladder import params
from ladder.inspecting import corruptions

CFG = params.read(ROOT / "params.yaml").corruptions
GRID = list(corruptions.grid(CFG))
PHOTO = load_sample_images().images[0].transpose(2, 0, 1)
IMAGES = np.stack([PHOTO[:, y : y + 32, 100:132] for y in range(0, 320, 32)])


def test_the_images_as_they_are_come_first_then_five_corruptions_at_two_strengths():
    assert GRID[0] == ("none", 0.0)
    assert [kind for kind, _ in GRID[1:]] == [kind for kind in corruptions.KINDS for _ in range(2)]
    assert len(GRID) == 11


@pytest.mark.parametrize("how", GRID)
def test_equal_seeds_give_equal_images_of_the_same_shape(how):
    before = IMAGES.copy()
    once, again = (corruptions.corrupt(IMAGES, *how, seed=3) for _ in range(2))
    assert once.dtype == np.uint8
    assert once.shape == IMAGES.shape
    assert np.array_equal(once, again)
    assert np.array_equal(IMAGES, before)
    assert np.array_equal(once, IMAGES) == (how[0] == "none")


@pytest.mark.parametrize("kind", ["noise", "shift"])
def test_what_is_drawn_follows_from_the_seed_and_not_from_how_many_are_made_at_once(kind, monkeypatch):
    whole = corruptions.corrupt(IMAGES, kind, 0.1, seed=3)
    assert not np.array_equal(whole, corruptions.corrupt(IMAGES, kind, 0.1, seed=4))
    monkeypatch.setattr(corruptions, "_AT_ONCE", 3)
    assert np.array_equal(whole, corruptions.corrupt(IMAGES, kind, 0.1, seed=3))


@pytest.mark.parametrize("kind", corruptions.KINDS)
def test_the_stronger_one_changes_more(kind):
    weak, strong = (
        np.abs(corruptions.corrupt(IMAGES, kind, strength, seed=0).astype(int) - IMAGES).mean()
        for strength in getattr(CFG, kind)
    )
    assert 0 < weak < strong


def test_noise_has_the_deviation_that_it_says():
    gray = np.full((20, 3, 32, 32), 128, np.uint8)
    assert corruptions.corrupt(gray, "noise", 0.1, seed=0).std() == pytest.approx(25.5, rel=0.02)


def test_blur_keeps_the_mean_and_grows_with_the_image():
    dot = np.zeros((1, 3, 33, 33), np.uint8)
    dot[:, :, 16, 16] = 255
    blurred = corruptions.corrupt(dot, "blur", 32 / 33, seed=0)[0, 0]  # a deviation of one pixel
    assert blurred[16, 16] == round(255 / (2 * np.pi), 0) == blurred.max()
    large = corruptions.corrupt(np.kron(dot, np.ones((1, 1, 3, 3), np.uint8)), "blur", 32 / 33, seed=0)[0, 0]
    np.testing.assert_allclose(large[1::3, 1::3], blurred, atol=6)


def test_brightness_raises_the_largest_channel_and_keeps_hue_and_saturation():
    colors = np.array([[100, 50, 0], [30, 60, 120], [250, 125, 0]])
    image = colors.T.reshape(1, 3, 1, 3).astype(np.uint8)
    brighter = corruptions.corrupt(image, "brightness", 0.2, seed=0)[0, :, 0].T  # (pixels, channels)
    assert brighter.tolist() == [[151, 76, 0], [43, 86, 171], [255, 128, 0]]


def test_black_becomes_gray():
    assert (corruptions.corrupt(np.zeros((1, 3, 4, 4), np.uint8), "brightness", 0.2, seed=0) == 51).all()


def test_a_shift_moves_each_image_in_a_direction_of_its_own():
    rows = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None], (40, 3, 32, 32)).copy()
    shifted = corruptions.corrupt(rows, "shift", 0.2, seed=0)
    moved = shifted[:, 0, 16, 0].astype(int) - 16
    assert set(moved) >= {-6, 0, 6} or len(set(moved)) > 5
    assert np.abs(moved).max() == 6
    columns = corruptions.corrupt(rows.transpose(0, 1, 3, 2).copy(), "shift", 0.2, seed=0)[:, 0, 0, 16].astype(int) - 16
    np.testing.assert_allclose(np.hypot(moved, columns), 6, atol=0.75)


def test_as_many_images_are_drawn_as_asked_for_or_as_there_are():
    drawn = corruptions.drawn(100, 10, seed=0)
    assert len(set(drawn.tolist())) == 10
    assert (np.diff(drawn) > 0).all()
    assert corruptions.drawn(5, 10, seed=0).tolist() == [0, 1, 2, 3, 4]
    assert not np.array_equal(drawn, corruptions.drawn(100, 10, seed=1))


# Four images, one corruption at two strengths; the first model is better at both.
RIGHT = {
    "train_aug": {("none", 0.0): [1, 1, 1, 0], ("noise", 0.1): [1, 1, 0, 0], ("noise", 0.2): [1, 1, 0, 0]},
    "train_noaug": {("none", 0.0): [1, 1, 1, 1], ("noise", 0.1): [1, 0, 0, 0], ("noise", 0.2): [0, 0, 0, 0]},
}
CORRECT = {name: {how: np.array(right, bool) for how, right in found.items()} for name, found in RIGHT.items()}


def test_the_table_has_a_row_for_each_model_and_corruption():
    table = corruptions.table(CORRECT, 0.95)
    assert table["accuracy"].tolist() == [0.75, 0.5, 0.5, 1.0, 0.25, 0.0]
    assert table["images"].tolist() == [4] * 6
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["accuracy_high"]).all()


def test_the_headline_is_the_paired_difference_of_means_with_its_interval():
    found = corruptions.headline(CORRECT, 0.95)
    per_image = np.array([0.5, 1, 0, 0])  # how much more often the first is right, over both strengths
    half = 1.959964 * per_image.std() / 2
    assert found == pytest.approx(
        {
            "augmentation_difference": 0.375,
            "augmentation_low": 0.375 - half,
            "augmentation_high": 0.375 + half,
        }
    )
    assert "train_aug - train_noaug: +37.50 points" in corruptions.described(found, 4, 0.95)
    assert corruptions.headline({"train_aug": CORRECT["train_aug"]}, 0.95) == {}
