"""Which labels are doubtful: made-up answers in which some labels are known to be wrong."""

import dataclasses
import warnings

import numpy as np
import pytest

from ladder.core.types import Logits, Predictions
from ladder.inspecting import labels

CLASSES = ("red", "green", "blue")


def answered(truth: np.ndarray, given: np.ndarray, first_id: int, sure: float = 0.9) -> Logits:
    """A model that knows the truth; the labels are those `given`. Each image has a probability of its own."""
    probability = sure + 0.0001 * np.arange(len(truth))[:, None]
    logits = np.log(np.where(np.eye(3)[truth] == 1, probability, (1 - probability) / 2)).astype(np.float32)
    return Logits(logits, given, np.arange(first_id, first_id + len(truth)))


@pytest.fixture
def model() -> Predictions:
    """Wrong labels: those of the images 3 and 7 of validation and of 105 of test."""
    val, test = np.arange(60) % 3, np.arange(90) % 3
    val_labels, test_labels = val.copy(), test.copy()
    val_labels[[3, 7]], test_labels[5] = [1, 2], 0
    return Predictions(answered(val, val_labels, 0), answered(test, test_labels, 100), CLASSES, {})


def test_wrong_labels_come_first_and_are_the_doubtful_ones(model):
    table = labels.ranked(model, ())
    assert len(table) == 150
    assert set(table["id"][:3]) == {3, 7, 105}
    assert table["id"][table["doubtful"]].tolist() == table["id"][:3].tolist()
    row = table.set_index("id").loc[105]
    assert (row["part"], row["label"], row["answer"]) == ("test", "red", "blue")
    assert row["answer_probability"] == pytest.approx(0.9005)
    assert row["label_probability"] == pytest.approx(0.04975)
    assert row["quality"] == pytest.approx((0.04975 - 0.9005 + 1) / 2)
    assert table["quality"].is_monotonic_increasing
    assert labels.headline(table) == {"val_doubtful": 2 / 60, "test_doubtful": 1 / 90}
    assert "2 of 60 in val, 1 of 90 in test" in labels.described(table)


def test_files_are_named_where_there_are_names(model):
    files = tuple(f"cat/{number}.png" for number in range(190))
    table = labels.ranked(model, files)
    assert (table["file"] == [f"cat/{number}.png" for number in table["id"]]).all()
    assert "file" not in labels.ranked(model, ())


@pytest.mark.parametrize("odd", ["one image a class", "a class never answered", "all right"])
def test_small_and_lopsided_parts_are_ranked_without_a_warning(model, odd):
    labelled = np.arange(3 if odd == "one image a class" else 6) % 3
    part = answered(labelled * (odd != "a class never answered"), labelled, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = dataclasses.replace(part, ids=part.ids + 50)
        table = labels.ranked(dataclasses.replace(model, val=part, test=again), ())
    assert len(table) == 2 * len(part)
    if odd == "all right":
        assert not table["doubtful"].any()
