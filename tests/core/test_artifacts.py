"""Files between stages: what was saved is what is loaded, equal content gives equal bytes, half a file is none."""

import dataclasses
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ladder.core.artifacts import files, predictions, sealed
from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.scoring import metrics


def answers(images: int, seed: int) -> Logits:
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(images, 3)).astype(np.float32)
    return Logits(logits, draw.integers(0, 3, images), draw.permutation(images).astype(np.int64))


@pytest.fixture
def made() -> Predictions:
    provenance = {"source": "digits", "arch": "resnet18", "parameters": 11_173_962, "epochs": 7}
    return Predictions(answers(6, 0), answers(4, 1), ("Käfer", "cat", "dog"), provenance)


# --- files


def test_atomic_replaces_the_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("old", "new"):
        with files.atomic(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_half_way_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), files.atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_write_json_keeps_order_and_all_digits(tmp_path):
    files.write_json(tmp_path / "a.json", {"z": 0.1 + 0.2, "a": 1e-17, "name": "Käfer"})
    assert (tmp_path / "a.json").read_bytes() == (
        '{\n  "z": 0.30000000000000004,\n  "a": 1e-17,\n  "name": "Käfer"\n}\n'.encode()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_write_json_refuses_what_is_no_json(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"a": value})
    assert os.listdir(tmp_path) == []


def test_write_csv_reads_back(tmp_path):
    table = pd.DataFrame({"epoch": [1, 2, 3], "loss": np.float32([1 / 3, 1e-8, np.nan]), "name": ["a", 'b, "c"', "ü"]})
    files.write_csv(tmp_path / "a.csv", table)
    expected = 'epoch,loss,name\n1,0.333333343,a\n2,9.99999994e-09,"b, ""c"""\n3,,ü\n'
    assert (tmp_path / "a.csv").read_bytes() == expected.encode()
    back = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(back["loss"].astype(np.float32), table["loss"])
    assert back["name"].tolist() == table["name"].tolist()


# --- predictions


def test_predictions_round_trip(tmp_path, made):
    predictions.save(tmp_path / "a.npz", made)
    back = predictions.load(tmp_path / "a.npz")
    assert (back.classes, back.provenance) == (made.classes, made.provenance)
    for part in ("val", "test"):
        for field in ("logits", "labels", "ids"):
            saved, loaded = (getattr(getattr(it, part), field) for it in (made, back))
            assert loaded.dtype == saved.dtype
            np.testing.assert_array_equal(loaded, saved)


def test_equal_predictions_give_equal_bytes_that_hold_no_clock(tmp_path, made):
    for name in ("a.npz", "b.npz"):
        predictions.save(tmp_path / name, made)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert {entry.date_time for entry in zipfile.ZipFile(tmp_path / "a.npz").infolist()} == {(1980, 1, 1, 0, 0, 0)}


def with_test(made: Predictions, **fields) -> Predictions:
    return dataclasses.replace(made, test=dataclasses.replace(made.test, **fields))


BAD = {
    "unequal lengths": (lambda p: {"ids": p.test.ids[:3]}, r"test ids are int64 \(3,\), expected int64 \(4,\)"),
    "logits of another length": (lambda p: {"logits": p.test.logits[:2]}, r"test logits are float32 \(2, 3\)"),
    "another number of classes": (lambda p: {"logits": p.test.logits[:, :2]}, r"expected float32 \(4, 3\)"),
    "wide floats": (lambda p: {"logits": p.test.logits.astype(np.float64)}, "test logits are float64"),
    "narrow labels": (lambda p: {"labels": p.test.labels.astype(np.int32)}, "test labels are int32"),
    "labels without dimension": (
        lambda p: {"labels": np.array(1)},
        r"test logits are float32 \(4, 3\), expected float32 \(1, 3\)",
    ),
    "diverged": (lambda p: {"logits": p.test.logits * np.float32("inf")}, "NaN or infinity"),
    "labels out of range": (lambda p: {"labels": p.test.labels + 1}, "test labels go from"),
    "nothing": (lambda p: {f: getattr(p.test, f)[:0] for f in ("logits", "labels", "ids")}, "test has no images"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_together_is_neither_saved_nor_loaded(tmp_path, made, name, monkeypatch):
    change, message = BAD[name]
    bad, path = with_test(made, **change(made)), tmp_path / "train_aug.npz"
    with pytest.raises(ValueError, match=message):
        predictions.save(path, bad)
    assert os.listdir(tmp_path) == []

    with monkeypatch.context() as patch:
        patch.setattr(predictions, "_problem", lambda predictions: None)
        predictions.save(path, bad)
    with pytest.raises(InputError, match=message) as caught:
        predictions.load(path)
    assert "dvc repro evaluate@train_aug" in str(caught.value)


def test_provenance_that_is_no_json_is_refused(tmp_path, made):
    with pytest.raises(ValueError, match="JSON"):
        predictions.save(tmp_path / "a.npz", dataclasses.replace(made, provenance={"lr": float("nan")}))
    assert os.listdir(tmp_path) == []


def test_missing_predictions_say_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"train_aug\.npz is missing: `dvc repro evaluate@train_aug`"):
        predictions.load(tmp_path / "train_aug.npz")


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "a.npz"
    sealed.write_npz(path, {"about": np.array([print], dtype=object)})
    with pytest.raises(InputError, match=r"arrays about, expected about, test_ids"):
        predictions.load(path)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        sealed.read_npz(path, ["about"])


# --- metrics


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_metrics_are_flat_floats_in_order(here):
    metrics.save("train_aug", {"nll": np.float64(0.5), "accuracy": 1.0})
    text = (here / "metrics/train_aug.json").read_text()
    assert text == '{\n  "nll": 0.5,\n  "accuracy": 1.0\n}\n'
    assert list(json.loads(text)) == ["nll", "accuracy"]


@pytest.mark.parametrize("value", [1, True, "0.5", [0.5], None, float("nan"), float("inf"), np.float32(0.5)])
def test_metrics_refuse_what_dvc_cannot_compare(here, value):
    with pytest.raises(ValueError, match="expected finite floats"):
        metrics.save("train_aug", {"accuracy": 0.5, "nll": value})
    assert os.listdir(here) == []


def test_metrics_refuse_more_than_a_screen_holds(here):
    with pytest.raises(ValueError, match="9 values, at most 8"):
        metrics.save("train_aug", {f"score_{i}": 0.5 for i in range(9)})
