"""Each stage's `main` in an empty folder, on what the stage before it wrote."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from imports import ROOT
from ladder import params
from ladder.core.artifacts import checkpoints, predictions, pretrained, splits
from ladder.core.errors import InputError
from ladder.training import models


def main(script: str, *arguments: str) -> None:
    namespace: dict = {"__name__": script}
    exec(compile((ROOT / "stages" / f"{script}.py").read_text(), f"stages/{script}.py", "exec"), namespace)
    namespace["main"](*arguments)


@pytest.fixture
def made(workspace, split):
    splits.save("data/split", split)
    for rung in params.read().ladder.rungs:
        pretrained.save(f"data/weights/{rung}", None)
    return split


def test_images_and_split(workspace, capsys):
    main("images")
    main("split")
    made = splits.load("data/split")
    assert (len(made.train), len(made.val), len(made.test)) == (297, 500, 1000)
    assert made.source == "digits"
    ids = np.concatenate([made.train.ids, made.val.ids, made.test.ids])
    assert len(set(ids.tolist())) == 1797
    assert "digits, 10 classes: 297 / 500 / 1,000" in capsys.readouterr().out


def test_a_split_comes_back_as_it_was_saved(made):
    read = splits.load("data/split")
    assert (read.classes, read.mean, read.std, read.digest) == (made.classes, made.mean, made.std, made.digest)
    for name in splits.PARTS:
        for field in ("images", "labels", "ids"):
            assert np.array_equal(getattr(getattr(read, name), field), getattr(getattr(made, name), field))


def test_images_of_a_split_are_mapped_read_only(made):
    read = splits.load("data/split")
    for images in (read.train.images, read.val.images, splits.load_part("data/split", "test").images):
        assert isinstance(images, np.memmap)
        assert not images.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            images[0] = 0


def test_a_damaged_split_is_refused(made):
    Path("data/split/val/images.npy").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"data/split/val holds no.*images\.npy has another digest.*dvc repro split"):
        splits.load("data/split")
    Path("data/split/split.json").unlink()
    with pytest.raises(InputError, match="data/split holds no split"):
        splits.load("data/split")


def test_train_writes_a_rung(made):
    main("train", "train_aug")
    answers = predictions.load("predictions/trained/train_aug.npz")
    assert np.array_equal(answers.test.ids, made.test.ids)
    assert np.array_equal(answers.val.labels, made.val.labels)
    assert answers.provenance["source"] == "digits"
    assert answers.provenance["weights"] == "scratch"

    model = models.restore(checkpoints.load("models/train_aug"))
    assert answers.provenance["parameters"] == models.parameter_count(model)
    with torch.no_grad():
        logits = model(torch.from_numpy(made.test.images))
    np.testing.assert_allclose(logits.numpy(), answers.test.logits, rtol=1e-4, atol=1e-5)
    history = pd.read_csv("plots/train_aug/history.csv")
    assert history.columns.tolist() == ["epoch", "lr", "train_loss", "val_loss", "val_accuracy"]
    right = (answers.val.logits.argmax(1) == answers.val.labels).mean()
    assert right == pytest.approx(history["val_accuracy"].max())


def test_evaluate_follows_train(made):
    main("train", "train_baseline")
    main("evaluate", "trained/train_baseline")
    answers = predictions.load("predictions/trained/train_baseline.npz")
    right = (answers.test.logits.argmax(1) == answers.test.labels).mean()
    assert json.loads(Path("metrics/train_baseline.json").read_text())["accuracy"] == pytest.approx(right)


def test_an_unknown_rung_is_refused(made):
    with pytest.raises(InputError, match="did you mean train_aug"):
        main("train", "train_augg")


def test_a_damaged_checkpoint_is_refused(workspace):
    with pytest.raises(InputError, match=r"models/train_aug holds no checkpoint.*dvc repro train_aug"):
        checkpoints.load("models/train_aug")
