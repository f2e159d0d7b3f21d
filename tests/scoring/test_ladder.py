"""What the ladder shows, by hand: its steps compared, pairs that are confused, images that one of two gets right."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from ladder.scoring import comparisons, ladder
from made import answered, made_models

CHOICES = {"confidence": 0.95, "samples": 1000, "seed": 0}


def test_steps_are_compared_by_hand():
    found = ladder.compare(made_models(), **CHOICES)
    compared = ladder.table(found)
    assert compared[["first", "second", "only_a", "only_b"]].to_numpy().tolist() == [
        ["train_aug", "train_noaug", 30, 4],  # 0-29 fixed, 40-43 broken
        ["train_se", "train_resnet", 2, 2],
        ["ensemble", "train_effnet", 6, 8],  # as train_resnet, which is surer: right on 10-15, wrong on 0-7
        ["distill", "train_student", 5, 0],
        ["distill_static", "distill_float", 0, 6],
        ["train_resnet_static", "train_resnet_float", 0, 0],
    ]
    assert compared["difference"].tolist() == pytest.approx([26 / 120, 0, -2 / 120, 5 / 120, -6 / 120, 0], abs=1e-12)
    p = [stats.binomtest(4, 34).pvalue, 1, stats.binomtest(6, 14).pvalue, 2 / 2**5, 2 / 2**6, 1]
    assert compared["p_value"].tolist() == pytest.approx(p)
    assert compared["adjusted_p"].tolist() == pytest.approx([6 * p[0], 1, 1, 4 * p[3], 5 * p[4], 1])
    assert compared["verdict"].tolist() == [
        "these two trained models differ: the first is more accurate",
        *["not distinguishable on 120 images"] * 5,  # 0.03 alone, 0.16 as one of six
    ]
    assert ladder.headline(found) == {
        "augmentation_difference": 26 / 120,
        "se_difference": 0.0,
        "ensemble_difference": -2 / 120,
        "distillation_difference": 5 / 120,
        "int8_distill_difference": -6 / 120,
        "int8_train_resnet_difference": 0.0,
    }


def test_interval_is_that_of_the_choices():
    models = made_models()
    row = ladder.compare(models, **CHOICES)[0]
    expected = comparisons.compare(
        ladder.correct(models["train_aug"]),
        ladder.correct(models["train_noaug"]),
        **CHOICES,
    )
    assert row.result == expected


def test_only_pairs_that_are_there_are_compared_and_corrected_for():
    models = {name: model for name, model in made_models().items() if name.startswith("train_")}
    for name in ("train_student", "train_resnet_static"):
        del models[name]
    compared = ladder.compare(models, **CHOICES)
    assert [row.step.name for row in compared] == ["augmentation", "se"]
    assert compared[0].adjusted_p == pytest.approx(2 * stats.binomtest(4, 34).pvalue)


def test_the_best_member_is_chosen_on_validation():
    models = made_models()
    step = next(step for step in ladder.steps(models) if step.name == "ensemble")
    assert step.second == "train_effnet"
    worse = dataclasses.replace(models["train_effnet"], val=answered(np.arange(30) % 3, range(9), 0))
    assert next(s for s in ladder.steps(models | {"train_effnet": worse}) if s.name == "ensemble").second == (
        "train_resnet"
    )


def test_flipped_images_are_those_that_one_gets_right():
    models = made_models()
    fixed, total = ladder.only_right(models["train_aug"], models["train_noaug"], 0, 25)
    assert total == 30
    assert len(fixed) == 25
    assert set(fixed) < set(range(30))
    assert fixed.tolist() == sorted(fixed)
    broken, total = ladder.only_right(models["train_noaug"], models["train_aug"], 0, 25)
    assert (broken.tolist(), total) == ([40, 41, 42, 43], 4)


def test_confused_pairs_by_hand():
    models = {name: made_models()[name] for name in ("train_baseline", "train_noaug")}
    # Labels are 40 of each class in order, and wrong answers the next class: 0-39 red for green, 40-59 green for blue.
    pairs, counts = ladder.confused(models, by="train_baseline")
    assert pairs == ["red → green", "green → blue"]
    assert [count.tolist() for count in counts] == [[40, 20], [40, 0]]


def test_arrows_between_classes_point_right_in_any_script():
    """Drawn as it is, `صورة → flower` would run from right to left, and read as the reverse."""
    model = made_models()["train_baseline"]
    pairs, _ = ladder.confused({"a": dataclasses.replace(model, classes=("صورة", "flower", "צורה"))}, by="a")
    assert pairs == ["\u2068صورة\u2069 → flower", "flower → \u2068צורה\u2069"]


def test_class_accuracies_by_hand():
    models = {name: made_models()[name] for name in ("train_baseline", "train_noaug")}
    np.testing.assert_allclose(ladder.class_accuracies(models), [[0, 0.5, 1], [0, 1, 1]])
