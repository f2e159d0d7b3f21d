"""The pictures of what the data hold: what is written in them, and that images are shown as they are."""

import numpy as np
import pandas as pd
import pytest

from ladder.drawing import data_figures


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def rows(count: int, **more) -> pd.DataFrame:
    table = pd.DataFrame({"first_class": "cat", "second_class": "cat", "first_id": range(count)})
    return table.assign(second_id=table["first_id"] + 100, **more)


@pytest.mark.parametrize("count", [0, 1, 5, 24])
def test_pairs_stand_side_by_side_with_their_ids(tmp_path, count):
    left, right = np.random.default_rng(0).integers(0, 256, (2, count, 3, 8, 8)).astype(np.uint8)
    figure = data_figures.near_duplicates(tmp_path / "a.png", rows(count), left, right, 0.25, 400)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    drawn = [image.transpose(1, 2, 0) for pair in zip(left, right, strict=True) for image in pair]
    assert len(shown) == 2 * count
    assert all(np.array_equal(one, other) for one, other in zip(shown, drawn, strict=True))
    assert {f"{number}, {number + 100}" for number in range(count)} <= set(texts(figure))
    assert ("none" in texts(figure)) == (count == 0)
    assert figure.axes[0].get_title("left").startswith("100 of 400 test images (25.0%)")


def test_a_pair_of_two_classes_says_so_and_own_images_have_names(tmp_path):
    images = np.zeros((1, 3, 8, 8), np.uint8)
    table = rows(1, first_class="dog", first_file="train/dog/a.png", second_file="test/cat/b.png")
    figure = data_figures.near_duplicates(tmp_path / "a.png", table, images, images, 1.0, 1)
    assert {"cat, in train dog", "a.png, b.png"} <= set(texts(figure))


def test_doubtful_labels_are_captioned(tmp_path):
    table = pd.DataFrame(
        {
            "part": ["test"], "id": [7], "label": ["cat"], "answer": ["dog"],
            "label_probability": [0.012], "answer_probability": [0.95],
        }
    )  # fmt: skip
    figure = data_figures.doubtful(tmp_path / "a.png", table, np.zeros((1, 3, 8, 8), np.uint8), "Title\nmore")
    assert {"label cat", "answer dog", "1.2% and 95.0%", "test 7"} <= set(texts(figure))


def test_corruptions_have_a_column_each_and_their_mean(tmp_path):
    table = pd.DataFrame(
        [(model, kind, strength, accuracy) for model in ("a", "b") for kind, strength, accuracy in
         (("none", 0.0, 0.9), ("noise", 0.06, 0.6), ("noise", 0.1, 0.4))],
        columns=["model", "corruption", "strength", "accuracy"],
    )  # fmt: skip
    figure = data_figures.corrupted(tmp_path / "a.png", table, "Title\nmore")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "none", "noise 0.06", "noise 0.1", "mean of 2"
    ]  # fmt: skip
    assert [text for text in texts(figure) if text == "50"] == ["50", "50"]
