"""The report's pictures: what is written in them, and that images are shown as they are."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from ladder.drawing import ladder_plots, plots
from made import TEST, made_models


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_ladder_shows_names_and_percent(tmp_path):
    values = np.array([0.5, 0.8234])
    figure = plots.ladder(tmp_path / "a.png", ["one", "two"], values, values - 0.01, values + 0.01, "Title\nmore")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one", "two"]
    assert {"50.00", "82.34"} <= set(texts(figure))
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]  # the first on top


@pytest.mark.parametrize(("classes", "cells"), [(3, 5), (25, 49), (26, 0), (70, 0)])
def test_class_accuracies_are_written_where_they_can_be_read(tmp_path, classes, cells):
    accuracy = np.full((2, classes), 0.9)
    accuracy[0, 0] = np.nan  # a class without images
    names = [f"class {i}" for i in range(classes)]
    figure = plots.class_accuracies(tmp_path / "a.png", accuracy, ["one", "two"], names, "Title\nmore")
    assert [text for text in texts(figure) if text == "90"] == ["90"] * cells


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_class_accuracies_may_all_be_equal(tmp_path, accuracy):
    plots.class_accuracies(tmp_path / "a.png", np.full((1, 2), accuracy), ["one"], ["cat", "dog"], "Title")


@pytest.mark.parametrize("pairs", [0, 1, 10])
def test_confused_pairs_are_labelled(tmp_path, pairs):
    names = [f"{i} → x" for i in range(pairs)]
    counts = [np.arange(pairs), np.arange(pairs) + 100]
    figure = plots.confused_pairs(tmp_path / "a.png", names, counts, ["one", "two"], "Title\nmore")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert {str(i + 100) for i in range(pairs)} <= set(texts(figure))


@pytest.mark.parametrize("count", [0, 1, 7, 25])
def test_contact_sheet_shows_each_image_and_caption(tmp_path, count):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    captions = [f"cat\nwithout: dog {i}" for i in range(count)]
    figure = plots.contact_sheet(tmp_path / "a.png", images, captions, "Title\nmore")
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == count
    for image, drawn in zip(images, shown, strict=True):
        np.testing.assert_array_equal(drawn.transpose(2, 0, 1), image)
    assert {f"without: dog {i}" for i in range(count)} <= set(texts(figure))
    assert ("none" in texts(figure)) == (count == 0)


def test_captions_do_not_touch(tmp_path):
    captions = ["golden_retriever_or_other_dog"] * 5
    figure = plots.contact_sheet(tmp_path / "a.png", np.zeros((5, 3, 8, 8), np.uint8), captions, "Title")
    renderer = figure.canvas.get_renderer()
    boxes = [axes.texts[0].get_window_extent(renderer) for axes in figure.axes if axes.images]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_enlarged_images_are_not_blurred(tmp_path):
    """A checkerboard of single pixels keeps to its two colors."""
    board = np.tile(np.indices((32, 32)).sum(0) % 2 * 255, (1, 3, 1, 1)).astype(np.uint8)
    plots.contact_sheet(tmp_path / "a.png", board, [""], "")
    with Image.open(tmp_path / "a.png") as sheet:
        gray = np.asarray(sheet.convert("L"))
    middle = gray[40:160, 60:180]
    assert np.isin(middle, [0, 255]).mean() > 0.99


def written_on(monkeypatch, kind: str) -> dict:
    """What the next picture of this kind is drawn from: title, captions, names, ..."""
    found = {}

    def record(path, *args):
        found["arguments"] = args

    monkeypatch.setattr(plots, kind, record)
    return found


def test_a_sheet_shows_both_answers_to_what_one_gets_right(monkeypatch, tmp_path):
    drawn = written_on(monkeypatch, "contact_sheet")
    ladder_plots.flipped(tmp_path / "a.png", made_models(), TEST, (), right=ladder_plots.PLAIN, seed=0)
    images, captions, title = drawn["arguments"]
    np.testing.assert_array_equal(images, TEST.images[40:44])  # green; the augmented model takes them for blue
    assert captions == ["green\nwithout: green\nwith: blue"] * 4
    assert title.startswith("Only train_noaug is right: 4 test images\nAll of them.")
    ladder_plots.flipped(tmp_path / "a.png", made_models(), TEST, (), right=ladder_plots.AUGMENTED, seed=0)
    images, captions, title = drawn["arguments"]
    assert len(images) == len(captions) == 25
    assert set(captions) == {"red\nwithout: green\nwith: red"}
    assert title.startswith("Only train_aug is right: 30 test images\n25 of them, drawn at random.")


def test_the_best_on_validation_stands_beside_the_first(monkeypatch, tmp_path):
    drawn = written_on(monkeypatch, "confused_pairs")
    ladder_plots.confused(tmp_path / "a.png", made_models())
    pairs, counts, names, title = drawn["arguments"]
    assert names == ["train_baseline", "train_effnet"]
    assert [count.tolist() for count in counts] == [[40], [8]]
    assert pairs == ["red → green"]
    assert "the pairs that train_effnet confuses most" in title


def test_intervals_are_those_of_the_metrics(monkeypatch, tmp_path):
    drawn = written_on(monkeypatch, "ladder")
    models = {name: made_models()[name] for name in ("train_noaug", "train_aug")}
    scores = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.7}
    ladder_plots.accuracies(tmp_path / "a.png", models, {name: scores for name in models}, 0.9)
    names, *columns, title = drawn["arguments"]
    assert names == list(models)
    assert [column.tolist() for column in columns] == [[0.5, 0.5], [0.4, 0.4], [0.7, 0.7]]
    assert "90% intervals, 120 test images" in title
