"""Each stage's `main` in an empty folder, on what the stage before it wrote."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from imports import ROOT
from ladder import params
from ladder.core.artifacts import checkpoints, predictions, pretrained, splits
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Logits, Predictions
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


def test_inspect_says_what_the_split_holds(workspace, capsys):
    main("images")
    main("split")
    main("inspect_data")
    counted = pd.read_csv("plots/data/counts.csv")
    assert counted[["train", "val", "test"]].sum().tolist() == [297, 500, 1000]
    stored = pd.read_csv("plots/data/sizes.csv")
    assert set(stored["width_max"]) == {8}, "scikit-learn's digits"
    again = pd.read_csv("plots/data/overlaps.csv").set_index(["part", "again_in"])
    shares = json.loads(Path("metrics/data.json").read_text())
    assert shares["test_near_in_train"] == pytest.approx(again.loc[("test", "train"), "near_share"])
    assert f"{shares['test_near_in_train']:.1%} of 1,000 test images" in capsys.readouterr().out
    assert Path("plots/data/near_duplicates.png").is_file()


def test_inspect_names_the_files_of_own_images_and_their_sizes(workspace, monkeypatch):
    places = [(x, y) for y in (160, 290) for x in (0, 130, 260, 390)]
    photo = Image.fromarray(load_sample_images().images[0])
    for number, (x, y) in enumerate(places):
        for part in ("train", "test") if number in (0, 5) else ("train", "test")[number % 2 :][:1]:
            path = Path(f"photos/{part}/{'left' if x < 200 else 'right'}/{part}{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            photo.crop((x, y, x + 120, y + 100 + number)).save(path)
    text = Path("params.yaml").read_text().replace("source: digits", "source: image_folder")
    text = text.replace("path: data/raw/digits", "path: photos").replace("image_size: 8", "image_size: 32")
    Path("params.yaml").write_text(
        text.replace("val_size: 500", "val_size: 2").replace("test_size: 1000", "test_size: null")
    )
    main("split")
    main("inspect_data")
    pairs = pd.read_csv("plots/data/pairs.csv")
    named = {
        frozenset((Path(a).name, Path(b).name)) for a, b in zip(pairs["first_file"], pairs["second_file"], strict=True)
    }
    assert named == {frozenset(("train0.png", "test0.png")), frozenset(("train5.png", "test5.png"))}
    stored = pd.read_csv("plots/data/sizes.csv").set_index("part")
    assert set(stored["width_min"]) == set(stored["width_max"]) == {120}
    assert stored.loc["test", ["height_min", "height_max"]].tolist() == [100, 107]


def test_labels_ranks_what_the_ensemble_doubts(made):
    answers = {}
    for part in ("val", "test"):
        images = getattr(made, part)
        logits = np.log(np.where(np.eye(3)[images.labels] == 1, 0.9, 0.05)).astype(np.float32)
        answers[part] = Logits(logits, images.labels, images.ids)
    answers["test"].logits[4] = np.log([0.01, 0.01, 0.98])  # labelled red
    predictions.save("predictions/voted/ensemble.npz", Predictions(**answers, classes=made.classes, provenance={}))
    main("labels")
    rows = pd.read_csv("plots/labels/doubtful.csv")
    assert len(rows) == len(made.val) + len(made.test), "fewer than `labels.listed`"
    assert rows.loc[0, ["part", "id", "label", "answer"]].tolist() == ["test", made.test.ids[4], "red", "blue"]
    assert json.loads(Path("metrics/labels.json").read_text()) == {"val_doubtful": 0.0, "test_doubtful": 1 / 15}
    assert Path("plots/labels/doubtful.png").is_file()


def test_labels_refuses_answers_about_other_images(made):
    images = made.val
    other = Logits(np.zeros((len(images), 3), np.float32), images.labels, images.ids)
    predictions.save("predictions/voted/ensemble.npz", Predictions(other, other, made.classes, {}))
    with pytest.raises(InputError, match="not about the test images of data/split"):
        main("labels")


def test_corruptions_scores_every_rung(made):
    rungs = params.read().ladder.rungs
    main("train", "train_aug")
    main("train", "train_student")
    for rung in rungs:
        model = models.restore(
            checkpoints.load("models/train_student" if "student" in rung or rung == "distill" else "models/train_aug")
        )
        checkpoints.save(f"models/{rung}", Checkpoint(model.config, model.state_dict()))
    main("corruptions")
    table = pd.read_csv("plots/corruptions/accuracies.csv")
    assert len(table) == 11 * len(rungs)
    assert set(table["images"]) == {len(made.test)}
    answers = predictions.load("predictions/trained/train_aug.npz")
    clean = table[(table["model"] == "train_aug") & (table["corruption"] == "none")]["accuracy"].item()
    assert clean == pytest.approx((answers.test.logits.argmax(1) == answers.test.labels).mean())
    found = json.loads(Path("metrics/corruptions.json").read_text())
    assert found["augmentation_difference"] == found["distillation_difference"] == 0, "the same checkpoints"
    assert Path("plots/corruptions/accuracies.png").is_file()


def test_an_unknown_rung_is_refused(made):
    with pytest.raises(InputError, match="did you mean train_aug"):
        main("train", "train_augg")


def test_a_damaged_checkpoint_is_refused(workspace):
    with pytest.raises(InputError, match=r"models/train_aug holds no checkpoint.*dvc repro train_aug"):
        checkpoints.load("models/train_aug")
